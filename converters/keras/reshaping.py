"""Other shapes: Reshape, Flatten, Permute, RepeatVector, cropping and padding."""

from __future__ import annotations

import math
from collections.abc import Sequence

import onnx_ir as ir

from mltoolkit.converters.keras.context import LayerContext
from mltoolkit.converters.keras.registry import converts
from mltoolkit.converters.keras.tensors import Tensor

# ONNX's Slice to the end of an axis.
_TO_THE_END = (1 << 63) - 1


@converts("Reshape")
def convert_reshape(context: LayerContext) -> Tensor:
    """All axes but the batch become others; one of them may be −1."""
    x = context.tensor()
    return reshaped(context, x, [_batch(x), *(int(size) for size in context.source.target_shape)])


@converts("Flatten")
def convert_flatten(context: LayerContext) -> Tensor:
    """All axes but the batch become one."""
    x = context.tensor()
    if x.rank == 1:
        return Tensor(context.op("Unsqueeze", x.value, context.constant([1])))
    sizes = [size for size in x.shape[1:] if isinstance(size, int)]
    return reshaped(context, x, [_batch(x), math.prod(sizes) if len(sizes) == x.rank - 1 else -1])


def _batch(x: Tensor) -> int:
    """The batch for a Reshape; 0 keeps one that is not known."""
    return x.shape[0] if isinstance(x.shape[0], int) else 0


def reshaped(context: LayerContext, x: Tensor, sizes: Sequence[int]) -> Tensor:
    """The elements in Keras' order in another shape."""
    value = x.value if context.layouts.stored_in_order(x) else context.layouts.logical(x)
    if len(sizes) >= 4 and all(size == 1 for size in sizes[1:-1]):
        # A vector as a feature map of one pixel: channels-first at once.
        turned = [sizes[0], sizes[-1], *sizes[1:-1]]
        return Tensor(context.op("Reshape", value, context.constant(turned)), moved=True)
    return Tensor(context.op("Reshape", value, context.constant(list(sizes))))


@converts("Permute")
def convert_permute(context: LayerContext) -> Tensor:
    """The axes behind the batch, counted from 1, in another order."""
    return permuted(context, context.tensor(), [0, *context.source.dims])


def permuted(context: LayerContext, x: Tensor, axes: Sequence[int]) -> Tensor:
    """Axes of Keras' order in another order."""
    stored = [x.stored_axis(axis) for axis in axes]
    if stored == list(range(x.rank)):
        return Tensor(x.value)
    return Tensor(context.op("Transpose", x.value, perm=stored))


@converts("RepeatVector")
def convert_repeat_vector(context: LayerContext) -> Tensor:
    """A vector (N, C) as n equal steps (N, n, C)."""
    step = context.op("Unsqueeze", context.logical(), context.constant([1]))
    return Tensor(context.op("Tile", step, context.constant([1, int(context.source.n), 1])))


@converts("Cropping1D", "Cropping2D", "Cropping3D")
def convert_cropping(context: LayerContext) -> Tensor:
    """Cut (begin, end) off each spatial axis."""
    x = context.tensor()
    pairs = _pairs(context.source.cropping)
    axes = _spatial_axes(context, x)
    starts = [begin for begin, _ in pairs]
    ends = [-end if end else _TO_THE_END for _, end in pairs]
    value = context.op("Slice", x.value, context.constant(starts), context.constant(ends), context.constant(axes))
    return context.like_input(value)


@converts("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D")
def convert_zero_padding(context: LayerContext) -> Tensor:
    """Add (begin, end) zeros to each spatial axis."""
    x = context.tensor()
    begins, ends = [0] * x.rank, [0] * x.rank
    for axis, (begin, end) in zip(_spatial_axes(context, x), _pairs(context.source.padding), strict=True):
        begins[axis], ends[axis] = begin, end
    return context.like_input(pad_constant(context, x.value, begins, ends))


def pad_constant(
    context: LayerContext, value: ir.Value, begins: Sequence[int], ends: Sequence[int], fill: float = 0
) -> ir.Value:
    """A number before and behind each axis."""
    pads = context.constant([*begins, *ends])
    return context.op("Pad", value, pads, context.operand(fill, Tensor(value)).value, mode="constant")


def _pairs(given: Sequence[int] | Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """(begin, end) of each spatial axis; layers of one axis hold one pair."""
    if isinstance(given[0], int):
        return [(int(given[0]), int(given[1]))]  # type: ignore[arg-type]  # a pair of integers
    return [(int(pair[0]), int(pair[1])) for pair in given]  # type: ignore[index]  # pairs


def _spatial_axes(context: LayerContext, x: Tensor) -> list[int]:
    """Where the spatial axes are stored."""
    channels_first = getattr(context.source, "data_format", "channels_last") == "channels_first"
    first = 2 if channels_first else 1
    return [x.stored_axis(axis) for axis in range(first, first + x.rank - 2)]
