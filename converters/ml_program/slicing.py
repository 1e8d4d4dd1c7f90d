"""Parts of a tensor by begin and end, or by begin and size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.errors import InvalidModelError

_FAR = np.iinfo(np.int64).max


@dataclass(frozen=True)
class SliceBounds:
    """The part ``[begin:end:stride, …]`` of a tensor; an element for each axis.

    Attributes:
        begin: first indices.
        end: indices behind the last ones.
        strides: steps.
        squeezed: axes of which only ``begin`` is meant, without the axis; the bounds give them one element.
    """

    begin: ir.Value
    end: ir.Value
    strides: list[int]
    squeezed: list[int]


def read_bounds(context: MilContext, rank: int) -> SliceBounds:
    """The part of a tensor that ``begin``, ``end``, ``stride`` and the masks of the operation mean.

    A masked begin or end is the tensor's own.

    Raises:
        InvalidModelError: they do not fit the rank.
    """
    strides = context.ints("stride", [1] * rank)
    begin_mask, end_mask, squeeze_mask = (
        [bool(flag) for flag in context.ints(name, [0] * rank)] for name in ("begin_mask", "end_mask", "squeeze_mask")
    )
    if not len(strides) == len(begin_mask) == len(end_mask) == len(squeeze_mask) == rank:
        raise InvalidModelError(f"strides and masks must have {rank} elements", where=context.where)
    squeezed = [axis for axis in range(rank) if squeeze_mask[axis]]
    for axis in squeezed:
        strides[axis], begin_mask[axis], end_mask[axis] = 1, False, False
    if 0 in strides:
        raise InvalidModelError("a stride is 0", where=context.where)
    for name in ("begin", "end"):
        if context.shape(name) not in ((rank,), (None,)):
            raise InvalidModelError(f"{name} must have {rank} elements", where=context.where)
    begin = _masked(context, "begin", begin_mask, [0 if stride > 0 else _FAR for stride in strides])
    end = _masked(context, "end", end_mask, [_FAR if stride > 0 else -_FAR for stride in strides])
    if squeezed:
        end = _after(context, begin, end, squeeze_mask)
    return SliceBounds(begin, end, strides, squeezed)


@converts("slice_by_index")
def convert_slice_by_index(context: MilContext) -> None:
    """``x[begin:end:stride, …]``; see :func:`read_bounds`."""
    x = context.value("x")
    rank = context.rank(x)
    bounds = read_bounds(context, rank)
    axes = context.constant(list(range(rank)))
    sliced = context.op("Slice", x, bounds.begin, bounds.end, axes, context.constant(bounds.strides))
    if bounds.squeezed:
        sliced = context.op("Squeeze", sliced, context.constant(bounds.squeezed))
    context.output(sliced)


def _masked(context: MilContext, name: str, mask: list[bool], instead: list[int]) -> ir.Value:
    """A vector with the elements of ``instead`` where the mask is set."""
    value = context.value(name)
    if not any(mask):
        return value
    return context.op("Where", context.constant(np.array(mask)), context.constant(instead), value)


def _after(context: MilContext, begin: ir.Value, end: ir.Value, mask: list[bool]) -> ir.Value:
    """``end``, but one element after ``begin`` where the mask is set; after −1 comes the end of the axis."""
    following = context.op("Add", begin, context.constant(1))
    wraps = context.op("Equal", following, context.constant(0))
    following = context.op("Where", wraps, context.constant(int(_FAR)), following)
    return context.op("Where", context.constant(np.array(mask)), following, end)


@converts("slice_by_size")
def convert_slice_by_size(context: MilContext) -> None:
    """``size`` elements from ``begin`` on each axis; −1 stands for all that follow."""
    x, begin, size = context.value("x"), context.value("begin"), context.value("size")
    rank = context.rank(x)
    end = context.op("Add", begin, size)
    # A negative begin counts from the end, where a sum of 0 means the end itself; so does a size of −1.
    zero = context.constant(0)
    reaches_end = context.op(
        "Or",
        context.op("Less", size, zero),
        context.op("And", context.op("Less", begin, zero), context.op("GreaterOrEqual", end, zero)),
    )
    end = context.op("Where", reaches_end, context.constant(int(_FAR)), end)
    context.output(context.op("Slice", x, begin, end, context.constant(list(range(rank)))))
