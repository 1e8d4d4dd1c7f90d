"""The layers of a neural network as a graph."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from mltoolkit.converters.neural_network.kraken import chained_layers, is_kraken
from mltoolkit.formats.custom_layers import custom_parameters
from mltoolkit.formats.features import Interface
from mltoolkit.formats.networks import NESTED_NETWORKS, network_of
from mltoolkit.formats.weight_fields import Storage, WeightField, layer_weights
from mltoolkit.formats.weights import Encoding, bits_per_weight, encoding_of, read_weight, stored_bytes
from mltoolkit.visualization.families import family_of
from mltoolkit.visualization.graph import LayerGraph, Node, WeightView
from mltoolkit.visualization.parameters import chosen_variant, parameters_of, plain_text
from mltoolkit.visualization.shapes import RuntimeShapes

_TITLES = {"ifBranch": "if", "elseBranch": "else", "conditionNetwork": "condition", "bodyNetwork": "body"}


def network_graph(spec: Any, interface: Interface, graph: LayerGraph, shapes: RuntimeShapes) -> None:
    """Put a network's layers into a graph that has its inputs already, and lead its outputs out.

    Args:
        spec: the ``Model`` message.
        interface: the described inputs and outputs.
        graph: where to put them.
        shapes: of the network's values.
    """
    network = network_of(spec)
    assert network is not None  # the caller knows its kind
    _add_layers(chained_layers(spec, network) if is_kraken(spec) else network.layers, graph, shapes)
    made = graph.made()
    # A classifier's label and dictionary are made from the probabilities of one blob.
    probabilities = getattr(network, "labelProbabilityLayerName", "") or (made[-1] if made else "")
    for feature in interface.outputs:
        if graph.knows(feature.name):
            graph.leave(feature.name)
        elif probabilities in made:
            graph.leave(feature.name, value=probabilities)


def preprocessing_of(network: Any, feature: str) -> list[tuple[str, str]]:
    """What a network does to an image before its first layer."""
    found = []
    for message in network.preprocessing:
        # Without a name it is meant for the only image.
        if message.featureName in ("", feature):
            found += parameters_of(message)
    return [item for item in found if item[0] != "featureName"]


def _add_layers(layers: Iterable[Any], graph: LayerGraph, shapes: RuntimeShapes) -> None:
    for layer in layers:
        node = _node(layer, shapes)
        kind = layer.WhichOneof("layer") or ""
        inner_names = NESTED_NETWORKS.get(kind, ())
        for field in inner_names:
            inner = LayerGraph(_TITLES[field], graph)
            _add_layers(getattr(getattr(layer, kind), field).layers, inner, shapes)
            node.graphs.append(inner)
        reads = list(layer.input)
        for inner in node.graphs:
            reads += inner.captured
            for name in inner.made():
                node.makes.setdefault(name, inner.shape_of(name))
        if kind == "loop":
            _close_loop(layer.loop, node)
        graph.add(node, reads)
        node.graphs[:] = [inner for inner in node.graphs if inner.nodes]


def _close_loop(params: Any, node: Node) -> None:
    """Lead out of a loop's networks what the next iteration reads."""
    condition, body = node.graphs
    if params.conditionVar and condition.knows(params.conditionVar):
        condition.leave(params.conditionVar)
    made = set(body.made())
    for name in (*body.captured, *condition.captured):
        if name in made:
            body.leave(name)


def _node(layer: Any, shapes: RuntimeShapes) -> Node:
    kind = layer.WhichOneof("layer") or ""
    known = shapes.of_layer(layer.name, kind)
    makes = {name: known.get(name, "") for name in layer.output}
    weights = [_weight(field) for field in layer_weights((), layer)]
    if not kind:
        return Node(layer.name, "unknown", makes=makes)
    params = getattr(layer, kind)
    if kind == "custom":
        return Node(
            layer.name,
            kind,
            family="custom",
            parameters=[(name, plain_text(value)) for name, value in sorted(custom_parameters(params).items())],
            weights=weights,
            class_name=params.className,
            description=params.description,
            makes=makes,
        )
    return Node(
        layer.name,
        kind,
        variant=chosen_variant(params) if kind in ("activation", "unary", "pooling", "reduce") else "",
        family=family_of(kind),
        parameters=parameters_of(params),
        weights=weights,
        makes=makes,
    )


def _weight(field: WeightField) -> WeightView:
    encoding = encoding_of(field.params)
    bits = bits_per_weight(field.params)
    storage = str(encoding.value)
    if encoding in (Encoding.LINEAR, Encoding.LOOKUP_TABLE):
        storage += f" {bits} bit{'s' * (bits != 1)}"
    readable = encoding is not Encoding.RAW and (
        field.storage is not Storage.PRIVATE or encoding in (Encoding.FLOAT32, Encoding.FLOAT16)
    )
    return WeightView(
        field.name,
        field.shape,
        storage,
        bits,
        stored_bytes(field.params),
        values=partial(read_weight, field.params, field.shape, field.where, field.channel_axis) if readable else None,
        remark="" if readable else "bytes that only the custom layer understands",
    )
