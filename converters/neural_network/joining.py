"""Layers that join, split and repeat blobs: concat, split and sequenceRepeat.

Source: NeuralNetwork.proto, messages ConcatLayerParams, SplitLayerParams and SequenceRepeatLayerParams.
"""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from mltoolkit.converters.neural_network.context import CHANNEL, LayerContext
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.converters.neural_network.sizes import stated_size
from mltoolkit.errors import InvalidModelError

_SEQUENCE = -5


@converts("concat")
def convert_concat(context: LayerContext, layer: Any) -> None:
    """Join the inputs along the channels, or along the sequence."""
    values = context.inputs()
    if not values:
        raise InvalidModelError("the layer has no inputs to join", where=context.where)
    axis = _sequence_axis(context, values[0]) if layer.concat.sequenceConcat else context.axis(values[0], CHANNEL)
    _check_joinable(context, values, axis)
    if len(values) == 1:
        context.output(values[0])
        return
    context.output(context.builder.op("Concat", *values, attributes={"axis": axis}))


@converts("split")
def convert_split(context: LayerContext, layer: Any) -> None:
    """Cut the channels into ``nOutputs`` equal parts."""
    count = len(layer.output)
    if layer.split.nOutputs != count or not count:
        raise InvalidModelError(
            f"the layer splits into {layer.split.nOutputs} parts but has {count} outputs", where=context.where
        )
    value = context.input()
    channels = context.size(value, CHANNEL)
    if channels % count:
        raise InvalidModelError(f"{channels} channels cannot be split into {count} equal parts", where=context.where)
    if count == 1:
        context.output(value)
        return
    parts = context.builder.ops(
        "Split",
        value,
        context.builder.constant([channels // count] * count),
        attributes={"axis": context.axis(value, CHANNEL)},
        names=[""] * count,
    )
    for index, part in enumerate(parts):
        context.output(part, index)


@converts("sequenceRepeat")
def convert_sequence_repeat(context: LayerContext, layer: Any) -> None:
    """Repeat the whole sequence ``nRepetitions`` times: [a, b] → [a, b, a, b, …]."""
    # "Defaults to 1 if not set or set to 0."
    repetitions = stated_size(context, "nRepetitions", layer.sequenceRepeat.nRepetitions or 1)
    value = context.input()
    repeats = [1] * len(context.shape(value))
    repeats[_sequence_axis(context, value)] = repetitions
    context.output(context.builder.op("Tile", value, context.builder.constant(repeats)))


def _sequence_axis(context: LayerContext, value: ir.Value) -> int:
    # [N, C, H, W] with N = S · B, sequence-major: whatever lies along S lies along N.
    return 0 if context.rank5 else context.axis(value, _SEQUENCE)


def _check_joinable(context: LayerContext, values: list[ir.Value], axis: int) -> None:
    first = context.shape(values[0])
    for name, value in zip(context.layer.input, values, strict=True):
        shape = context.shape(value)
        fits = len(shape) == len(first) and all(
            position == axis or size == other or not (isinstance(size, int) and isinstance(other, int))
            for position, (size, other) in enumerate(zip(shape, first, strict=True))
        )
        if not fits:
            raise InvalidModelError(
                f"the input {name!r} of shape {shape} cannot be joined to {context.layer.input[0]!r} "
                f"of shape {first} along axis {axis}",
                where=context.where,
            )
