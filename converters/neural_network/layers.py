"""The layers of a network, or of a network inside a branch or loop, one after the other."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any

from mltoolkit.converters.neural_network.alternatives import either
from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.registry import LayerConverter, layer_converters
from mltoolkit.errors import UnsupportedModelError
from mltoolkit.formats.networks import iter_network_layers, nested_networks
from mltoolkit.graph.builder import known_shape
from mltoolkit.graph.folding import known_truth
from mltoolkit.graph.model_graph import GraphBlob, GraphLayer

_EXITS = ("loopBreak", "loopContinue")


def convert_layers(context: LayerContext, layers: Sequence[Any]) -> list[GraphLayer]:
    """Convert layers into the context's builder.

    In the body of a loop, what follows a layer that may leave the iteration runs only if it did not.

    Returns:
        The layers in order; those inside a branch or loop follow it.
    """
    converted: list[GraphLayer] = []
    start = 0
    while start < len(layers):
        end = start + 1
        while end < len(layers) and not (context.exits and _may_exit(layers[end - 1])):
            end += 1
        converted += _convert_unless_left(context, layers[start:end])
        start = end
    return converted


def _may_exit(layer: Any) -> bool:
    kind = layer.WhichOneof("layer")
    if kind == "branch":
        return any(_may_exit(inner) for way in nested_networks(layer) for inner in way.layers)
    return kind in _EXITS


def _convert_unless_left(context: LayerContext, layers: Sequence[Any]) -> list[GraphLayer]:
    left = known_truth(context.exits.iteration) if context.exits else False
    if context.exits is None or left is False:
        return _convert_one_by_one(context, layers)
    if left:
        return unconverted(layers)
    converted: list[GraphLayer] = []
    either(
        context,
        context.exits.iteration,
        lambda: None,
        lambda: converted.extend(_convert_one_by_one(context, layers)),
        inside=layers,
        keep_one_sided=True,
    )
    return converted


def _convert_one_by_one(context: LayerContext, layers: Sequence[Any]) -> list[GraphLayer]:
    return [converted for layer in layers for converted in _convert_layer(context, layer)]


def _convert_layer(context: LayerContext, layer: Any) -> list[GraphLayer]:
    layer_type = layer.WhichOneof("layer")
    converter = _hooked(context, layer) or layer_converters().get(layer_type or "")
    if converter is None:
        raise UnsupportedModelError(
            f"the layer type {layer_type!r} cannot be run yet" if layer_type else "the layer has no known type",
            where=f"layer {layer.name!r}",
        )
    outer, context.layer, context.nested = context.layer, layer, []
    inputs = {id(context.values.get(name)) for name in layer.input}
    with context.builder.scope(layer.name):
        converter(context, layer)
    blobs = []
    for name in layer.output:
        value = context.output_value(name)
        # A layer that changes nothing hands an input on, which keeps the name of its first blob.
        if id(value) not in inputs:
            context.builder.rename(value, name)
        blobs.append(GraphBlob(name, value.name or "", known_shape(value)))
    nested, context.nested = context.nested, []
    context.layer = outer
    return [GraphLayer(layer.name, layer_type, tuple(blobs)), *nested]


def _hooked(context: LayerContext, layer: Any) -> LayerConverter | None:
    """The converter that the caller gave for a layer, or the form of a custom layer without custom layers."""
    if not context.hooks and not context.native_layers:
        return None
    from mltoolkit.converters.neural_network.hooked import class_name_of, convert_hooked, convert_native

    hook = context.hooks.find(layer.name, class_name_of(layer)) if context.hooks else None
    if hook is not None:
        return functools.partial(convert_hooked, hook=hook)
    return convert_native if context.native_layers and layer.WhichOneof("layer") == "custom" else None


def unconverted(layers: Iterable[Any]) -> list[GraphLayer]:
    """The entries of layers that can never run, those inside them included."""
    return [
        GraphLayer(layer.name, layer.WhichOneof("layer"), ())
        for outer in layers
        for layer in (
            outer,
            *(inner for network in nested_networks(outer) for inner in iter_network_layers(network)),
        )
    ]
