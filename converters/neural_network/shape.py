"""Layers that give a blob another shape: reshape, flatten and permute.

Source: NeuralNetwork.proto, messages ReshapeLayerParams, FlattenLayerParams and PermuteLayerParams. All three
see a blob as [Sequence, Batch, C, H, W]; reshape and permute may exchange elements between the sequence and
the other axes but never between batches.
"""

from __future__ import annotations

import math
from typing import Any

import onnx_ir as ir

from mltoolkit.converters.neural_network.context import CHANNEL, HEIGHT, WIDTH, LayerContext
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.converters.neural_network.sizes import stated_size
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import Dimension

# FlattenLayerParams.FlattenOrder and ReshapeLayerParams.ReshapeOrder
_CHANNEL_FIRST, _CHANNEL_LAST = 0, 1
# Where the axes [S, C, H, W] of permute lie in [S, B, C, H, W].
_PERMUTE_AXES = (0, 2, 3, 4)


@converts("flatten")
def convert_flatten(context: LayerContext, layer: Any) -> None:
    """(..., C, H, W) → (..., C · H · W, 1, 1), channels slowest or fastest."""
    value = context.input()
    rank = len(context.shape(value))
    context.axis(value, CHANNEL)
    if _is_channel_last(context, layer.flatten.mode):
        value = _transpose_tail(context, value, (HEIGHT, WIDTH, CHANNEL))
    # 0 copies the size of a leading axis.
    context.output(context.builder.op("Reshape", value, context.builder.constant([0] * (rank - 3) + [-1, 1, 1])))


@converts("reshape")
def convert_reshape(context: LayerContext, layer: Any) -> None:
    """Target [C, H, W] keeps the sequence length, [S, C, H, W] sets it; channels slowest or fastest."""
    target = [stated_size(context, "targetShape", size) for size in layer.reshape.targetShape]
    if len(target) not in (3, 4):
        raise InvalidModelError(f"targetShape has {len(target)} values where 3 or 4 are needed", where=context.where)
    channel_last = _is_channel_last(context, layer.reshape.mode)
    value, batch = _as_rank4(context, context.input())
    _check_same_count(context, context.shape(value), target, batch)
    if channel_last:
        value = _transpose_tail(context, value, (HEIGHT, WIDTH, CHANNEL))
    *sequence, channels, height, width = target
    tail = [height, width, channels] if channel_last else [channels, height, width]
    builder = context.builder
    if not sequence:
        value = builder.op("Reshape", value, builder.constant([0, *tail]))
    elif batch == 1:
        value = builder.op("Reshape", value, builder.constant([*sequence, *tail]))
    else:
        value = _exchange_with_sequence(context, value, sequence[0], batch, tail)
    if channel_last:
        value = _transpose_tail(context, value, (WIDTH, CHANNEL, HEIGHT))
    context.output(_from_rank4(context, value, batch))


@converts("permute")
def convert_permute(context: LayerContext, layer: Any) -> None:
    """Axis i of the output's [S, C, H, W] is axis ``axis[i]`` of the input's; the batch axis stays."""
    axes = [int(axis) for axis in layer.permute.axis] or [0, 1, 2, 3]
    if sorted(axes) != [0, 1, 2, 3]:
        raise InvalidModelError(f"axis is {axes} where a permutation of [0, 1, 2, 3] is needed", where=context.where)
    if axes == [0, 1, 2, 3]:
        context.output(context.input())
        return
    builder = context.builder
    value, batch = _as_rank4(context, context.input())
    if axes[0] == 0 or batch == 1:
        value = builder.op("Transpose", value, attributes={"perm": axes})
        context.output(_from_rank4(context, value, batch))
        return
    shape = context.static_shape(value)
    value = builder.op("Reshape", value, builder.constant([shape[0] // batch, batch, *shape[1:]]))
    order = [_PERMUTE_AXES[axis] for axis in axes]
    value = builder.op("Transpose", value, attributes={"perm": [order[0], 1, *order[1:]]})
    tail = context.static_shape(value)[2:]
    context.output(_from_rank4(context, builder.op("Reshape", value, builder.constant([-1, *tail])), batch))


def _is_channel_last(context: LayerContext, mode: int) -> bool:
    if mode not in (_CHANNEL_FIRST, _CHANNEL_LAST):
        raise InvalidModelError(f"the order {mode} is unknown", where=context.where)
    return mode == _CHANNEL_LAST


def _transpose_tail(context: LayerContext, value: ir.Value, tail: tuple[int, int, int]) -> ir.Value:
    rank = len(context.shape(value))
    perm = [*range(rank - 3), *(context.axis(value, axis) for axis in tail)]
    return context.builder.op("Transpose", value, attributes={"perm": perm})


def _as_rank4(context: LayerContext, value: ir.Value) -> tuple[ir.Value, int]:
    """A blob as [S · B, C, H, W], and its batch size B."""
    shape = context.shape(value)
    if context.rank5:
        if isinstance(shape[0], int) and shape[0] % context.batch:
            raise InvalidModelError(
                f"{shape[0]} vectors cannot be a sequence with batch size {context.batch}",
                where=context.where,
            )
        return value, context.batch
    if len(shape) != 5:
        raise InvalidModelError(f"the layer needs a blob of rank 5 but gets rank {len(shape)}", where=context.where)
    batch = context.size(value, 1)
    tail = [context.size(value, axis) for axis in (CHANNEL, HEIGHT, WIDTH)]
    return context.builder.op("Reshape", value, context.builder.constant([-1, *tail])), batch


def _from_rank4(context: LayerContext, value: ir.Value, batch: int) -> ir.Value:
    """The inverse of :func:`_as_rank4` for another blob."""
    if context.rank5:
        return value
    tail = [context.size(value, axis) for axis in (CHANNEL, HEIGHT, WIDTH)]
    return context.builder.op("Reshape", value, context.builder.constant([-1, batch, *tail]))


def _check_same_count(context: LayerContext, shape: tuple[Dimension, ...], target: list[int], batch: int) -> None:
    known = [size for size in shape if isinstance(size, int)]
    compared = known[1:] if len(target) == 3 else [*known[1:], known[0] // batch]
    if len(known) == len(shape) and math.prod(compared) != math.prod(target):
        raise InvalidModelError(
            f"a blob of {math.prod(compared)} elements (shape {shape}) cannot take the shape {target}",
            where=context.where,
        )


def _exchange_with_sequence(
    context: LayerContext, value: ir.Value, sequence: int, batch: int, tail: list[int]
) -> ir.Value:
    """(S · B, ...) → (sequence · B, *tail) where the elements of each batch stay in order."""
    builder = context.builder
    shape = context.static_shape(value)
    by_step = builder.op("Reshape", value, builder.constant([shape[0] // batch, batch, math.prod(shape[1:])]))
    by_batch = builder.op("Transpose", by_step, attributes={"perm": [1, 0, 2]})
    reshaped = builder.op("Reshape", by_batch, builder.constant([batch, sequence, math.prod(tail)]))
    by_step = builder.op("Transpose", reshaped, attributes={"perm": [1, 0, 2]})
    return builder.op("Reshape", by_step, builder.constant([sequence * batch, *tail]))
