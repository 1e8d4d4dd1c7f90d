"""Operations that change a tensor's shape, and those that tell it."""

from __future__ import annotations

import numpy as np

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.parameters import each_number
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.converters.ml_program.sizes import reshaped, sizes_of
from mltoolkit.errors import InvalidModelError
from mltoolkit.formats.mil_types import TensorType


@converts("reshape")
def convert_reshape(context: MilContext) -> None:
    """The same elements in another shape; −1 stands for what remains, 0 for the size of x on that axis.

    Where the ranks differ (iOS 17 and later), axes correspond from the last one on, and 0 stands for 1 where
    x has no more of them.
    """
    x = context.value("x")
    rank = context.rank(x)
    if context.is_const("shape") and len(wanted := context.ints("shape")) != rank and 0 in wanted:
        first = rank - len(wanted)
        parts = [
            [size or 1] if size or first + axis < 0 else sizes_of(context, x, first + axis, first + axis + 1)
            for axis, size in enumerate(wanted)
        ]
        context.output(reshaped(context, x, *parts))
        return
    context.output(context.op("Reshape", x, context.value("shape")))


@converts("transpose")
def convert_transpose(context: MilContext) -> None:
    """The axes in another order."""
    x = context.value("x")
    rank = context.rank(x)
    order = [context.axis(axis, rank) for axis in context.ints("perm")]
    if sorted(order) != list(range(rank)):
        raise InvalidModelError(f"{order} is no order of {rank} axes", where=context.where)
    context.output(context.op("Transpose", x, perm=order))


@converts("expand_dims")
def convert_expand_dims(context: MilContext) -> None:
    """Axes of size 1 added; they are numbered as in the result."""
    x, axes = context.value("x"), context.ints("axes")
    rank = context.rank(x) + len(axes)
    context.output(context.op("Unsqueeze", x, context.constant([context.axis(axis, rank) for axis in axes])))


@converts("squeeze")
def convert_squeeze(context: MilContext) -> None:
    """Axes of size 1 removed: those named, else all; named axes of another size stay."""
    x = context.value("x")
    sizes = context.shape(x)
    named = context.axes("axes", len(sizes))
    axes = [axis for axis, size in enumerate(sizes) if size == 1 and (named is None or axis in named)]
    context.output(context.op("Squeeze", x, context.constant(axes)) if axes else x)


@converts("flatten2d")
def convert_flatten2d(context: MilContext) -> None:
    """Two axes: those before ``axis`` taken together, and the rest."""
    x = context.value("x")
    axis = int(context.const("axis", 1))
    # Unlike elsewhere, the axis may lie behind the last.
    context.output(context.op("Flatten", x, axis=axis if axis >= 0 else axis + context.rank(x)))


@converts("shape")
def convert_shape(context: MilContext) -> None:
    """The sizes of a tensor: a constant where all are known."""
    x = context.value("x")
    sizes = [size for size in context.shape(x) if isinstance(size, int)]
    if len(sizes) == context.rank(x):
        context.output(np.array(sizes, dtype=np.int64))
        return
    context.output(context.op("Shape", x))


@converts("reshape_like")
def convert_reshape_like(context: MilContext) -> None:
    """The same elements, shaped as parts of other tensors' shapes, one behind the other."""
    references = context.values("ref_tensors")
    begins, ends, masks = (each_number(context, name) for name in ("begins", "ends", "end_masks"))
    if not len(references) == len(begins) == len(ends) == len(masks):
        raise InvalidModelError(
            f"there are {len(references)} tensors but {len(begins)} begins, {len(ends)} ends and "
            f"{len(masks)} end masks",
            where=context.where,
        )
    parts = [
        sizes_of(context, reference, begin, None if mask else end)
        for reference, begin, end, mask in zip(references, begins, ends, masks, strict=True)
    ]
    context.output(reshaped(context, context.value("x"), *parts))


@converts("identity")
def convert_identity(context: MilContext) -> None:
    """The same tensor under another name."""
    if isinstance(context.declared(), TensorType):
        context.output(context.value("x"))
    else:
        context.output_bound(context.bound("x")[0])
