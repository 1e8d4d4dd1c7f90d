"""A whole NeuralNetwork, with its inputs, preprocessing, layers and outputs, as a graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mltoolkit.converters.neural_network.blob_uses import BlobUses
from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.five_axes import needs_five_axes
from mltoolkit.converters.neural_network.interface import declare_inputs, finish_outputs
from mltoolkit.converters.neural_network.kraken import chained_layers, is_kraken
from mltoolkit.converters.neural_network.layers import convert_layers
from mltoolkit.custom_layers import CustomLayerSet
from mltoolkit.errors import UnsupportedModelError
from mltoolkit.formats.features import Interface, read_interface
from mltoolkit.formats.networks import network_of
from mltoolkit.graph.builder import GraphBuilder
from mltoolkit.graph.model_graph import ModelGraph
from mltoolkit.graph.passes import optimize

if TYPE_CHECKING:
    from mltoolkit.converters.hooks import HookSet


def network_to_graph(
    spec: Any,
    *,
    custom_layers: CustomLayerSet | None = None,
    input_shapes: Mapping[str, tuple[int, ...]] | None = None,
    interface: Interface | None = None,
    hooks: HookSet | None = None,
    native_layers: bool = False,
) -> ModelGraph:
    """Convert a Core ML neural network to an ONNX graph.

    Args:
        spec: a ``Model`` message that holds a neural network, classifier or regressor.
        custom_layers: the Python classes of its custom layers; by default the registered ones.
        input_shapes: shapes of array inputs, and (height, width) of image inputs, that differ from the
            described ones; needed for every input whose described shape has sizes of 0.
        interface: what ``read_interface(spec)`` gave, to save reading it again.
        hooks: the caller's conversion functions, which go before the converters here.
        native_layers: build the custom layers that mltoolkit brings of ONNX operators, for a format without custom
            layers.

    Raises:
        UnsupportedModelError: the model is no neural network, or has a layer that cannot be converted.
        MissingCustomLayerError: a custom layer has no Python class.
        InvalidModelError: the network contradicts itself or its description.
        ConversionHookError: a conversion function raised, or returned something wrong.
    """
    kind = spec.WhichOneof("Type")
    network = network_of(spec)
    if network is None:
        raise UnsupportedModelError(f"a model of kind {kind} is not a neural network")
    interface = interface or read_interface(spec)
    shapes = dict(input_shapes or {})
    rank5 = network.arrayInputShapeMapping == 0 and (is_kraken(spec) or not needs_five_axes(network))
    # Newer networks compute shapes from shapes.
    builder = GraphBuilder(kind, fold_constants=not rank5)
    builder.reserve(feature.name for feature in interface.outputs)
    context = LayerContext(
        builder,
        rank5=rank5,
        custom_layers=custom_layers or CustomLayerSet(),
        uses=BlobUses(network.layers, _blobs_given_out(network, interface)),
        hooks=hooks,
        native_layers=native_layers,
    )
    declare_inputs(context, network, interface, shapes)
    messages = list(chained_layers(spec, network)) if is_kraken(spec) else network.layers
    layers = tuple(convert_layers(context, messages))
    outputs, probabilities = finish_outputs(context, network, interface, described_shapes_hold=not shapes)
    graph = ModelGraph(
        model=builder.finish(outputs),
        interface=interface,
        probabilities=probabilities,
        custom_layers=context.custom_nodes,
        custom_descriptions=context.custom_descriptions,
        layers=layers,
    )
    optimize(graph.model)
    return graph


def _blobs_given_out(network: Any, interface: Interface) -> list[str]:
    names = [feature.name for feature in interface.outputs]
    return [*names, getattr(network, "labelProbabilityLayerName", "")]
