"""Elements and slices picked by index."""

from __future__ import annotations

import onnx_ir as ir

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.indices import read_index
from mltoolkit.converters.ml_program.parameters import whole_number
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.converters.ml_program.sizes import sizes_of
from mltoolkit.errors import InvalidModelError


@converts("gather")
def convert_gather(context: MilContext) -> None:
    """Slices of an axis, as tf.gather: D[:axis] + N[batch_dims:] + D[axis + 1:]."""
    x = context.value("x")
    rank = context.rank(x)
    axis = context.axis(whole_number(context, "axis", 0), rank)
    indices = read_index(context, sizes_of(context, x, axis, axis + 1))
    batch = _batch_dims(context, indices)
    if not batch:
        context.output(context.op("Gather", x, indices, axis=axis))
        return
    if axis < batch:
        raise InvalidModelError(f"axis {axis} is one of {batch} batch axes", where=context.where)
    # GatherND picks from the axis behind the batch, and leaves the axes passed over behind the indices' own.
    between = axis - batch
    front = [*range(batch), axis, *range(batch, axis), *range(axis + 1, rank)]
    picked = context.op(
        "GatherND",
        context.op("Transpose", x, perm=front) if between else x,
        context.op("Unsqueeze", indices, context.constant([context.rank(indices)])),
        batch_dims=batch,
    )
    if between:
        own = context.rank(indices)
        moved = list(range(own, own + between))
        order = [*range(batch), *moved, *range(batch, own), *range(own + between, context.rank(picked))]
        picked = context.op("Transpose", picked, perm=order)
    context.output(picked)


@converts("gather_along_axis")
def convert_gather_along_axis(context: MilContext) -> None:
    """Single elements of an axis, as NumPy's take_along_axis."""
    x = context.value("x")
    axis = context.axis(whole_number(context, "axis", 0), context.rank(x))
    indices = read_index(context, sizes_of(context, x, axis, axis + 1))
    given, sizes = context.shape(indices), context.shape(x)
    if len(given) != len(sizes) or any(
        isinstance(one, int) and isinstance(other, int) and one > other
        for index, (one, other) in enumerate(zip(given, sizes, strict=True))
        if index != axis
    ):
        raise InvalidModelError(f"indices of shape {given} do not fit a tensor of shape {sizes}", where=context.where)
    context.output(context.op("GatherElements", x, indices, axis=axis))


@converts("gather_nd")
def convert_gather_nd(context: MilContext) -> None:
    """Elements or slices at the positions that the last axis of the indices holds."""
    x, given = context.value("x"), context.shape("indices")
    batch = _batch_dims(context, context.value("indices"))
    depth = given[-1] if given else None
    if not isinstance(depth, int) or not 1 <= depth <= context.rank(x) - batch:
        raise InvalidModelError(
            f"indices of shape {given} do not fit a tensor of rank {context.rank(x)}", where=context.where
        )
    indices = read_index(context, sizes_of(context, x, batch, batch + depth))
    context.output(context.op("GatherND", x, indices, batch_dims=batch))


def _batch_dims(context: MilContext, indices: ir.Value) -> int:
    """How many leading axes ``x`` and ``indices`` share (iOS 16 and later)."""
    batch = whole_number(context, "batch_dims", 0, minimum=0)
    shapes = context.shape("x"), context.shape(indices)
    if batch > min(map(len, shapes)) or any(
        isinstance(one, int) and isinstance(other, int) and one != other
        for one, other in zip(shapes[0][:batch], shapes[1][:batch], strict=True)
    ):
        raise InvalidModelError(
            f"shapes {shapes[0]} and {shapes[1]} do not have {batch} batch axes in common",
            where=context.where,
        )
    return batch
