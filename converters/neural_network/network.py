"""A whole NeuralNetwork, with its inputs, preprocessing, layers and outputs, as a graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.interface import declare_inputs, finish_outputs
from mltoolkit.converters.neural_network.kraken import chained_layers, is_kraken
from mltoolkit.converters.neural_network.registry import layer_converters
from mltoolkit.custom_layers import CustomLayerSet
from mltoolkit.errors import UnsupportedModelError
from mltoolkit.formats.features import Interface, read_interface
from mltoolkit.formats.networks import network_of
from mltoolkit.graph.builder import GraphBuilder, shape_of
from mltoolkit.graph.model_graph import GraphBlob, GraphLayer, ModelGraph
from mltoolkit.graph.passes import optimize

def network_to_graph(
    spec: Any,
    *,
    custom_layers: CustomLayerSet | None = None,
    input_shapes: Mapping[str, tuple[int, ...]] | None = None,
    interface: Interface | None = None,
) -> ModelGraph:
    """Convert a Core ML neural network to an ONNX graph.

    Args:
        spec: a ``Model`` message that holds a neural network, classifier or regressor.
        custom_layers: the Python classes of its custom layers; by default the registered ones.
        input_shapes: shapes of array inputs, and (height, width) of image inputs, that differ from the described
            ones; needed for every input whose described shape has sizes of 0.
        interface: what ``read_interface(spec)`` gave, to save reading it again.

    Raises:
        UnsupportedModelError: the model is no neural network, or has a layer that cannot be converted.
        MissingCustomLayerError: a custom layer has no Python class.
        InvalidModelError: the network contradicts itself or its description.
    """
    kind = spec.WhichOneof("Type")
    network = network_of(spec)
    if network is None:
        raise UnsupportedModelError(f"a model of kind {kind} is not a neural network")
    interface = interface or read_interface(spec)
    shapes = dict(input_shapes or {})
    builder = GraphBuilder(kind)
    builder.reserve(feature.name for feature in interface.outputs)
    context = LayerContext(
        builder,
        rank5=network.arrayInputShapeMapping == 0,
        custom_layers=custom_layers or CustomLayerSet(),
    )
    declare_inputs(context, network, interface, shapes)
    messages = chained_layers(spec, network) if is_kraken(spec) else network.layers
    layers = tuple(_convert_layer(context, layer) for layer in messages)
    outputs, probabilities = finish_outputs(context, network, interface, described_shapes_hold=not shapes)
    graph = ModelGraph(
        model=builder.finish(outputs),
        interface=interface,
        probabilities=probabilities,
        custom_layers=context.custom_nodes,
        layers=layers,
    )
    optimize(graph.model)
    return graph


def _convert_layer(context: LayerContext, layer: Any) -> GraphLayer:
    layer_type = layer.WhichOneof("layer")
    converter = layer_converters().get(layer_type or "")
    if converter is None:
        raise UnsupportedModelError(
            f"the layer type {layer_type!r} cannot be run yet"
            if layer_type
            else "the layer has no known type",
            where=f"layer {layer.name!r}",
        )
    context.layer = layer
    inputs = {id(context.values.get(name)) for name in layer.input}
    with context.builder.scope(layer.name):
        converter(context, layer)
    blobs = []
    for name in layer.output:
        value = context.output_value(name)
        # A layer that changes nothing hands an input on, which keeps the name of its first blob.
        if id(value) not in inputs:
            context.builder.rename(value, name)
        blobs.append(GraphBlob(name, value.name or "", shape_of(value)))
    return GraphLayer(layer.name, layer_type, tuple(blobs))
