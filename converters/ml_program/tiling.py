"""Tensors repeated, and their overlapping windows."""

from __future__ import annotations

import numpy as np

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.parameters import check_elements, whole_number
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.converters.ml_program.sizes import counted, reshaped, sizes_of
from mltoolkit.errors import InvalidModelError


@converts("tile")
def convert_tile(context: MilContext) -> None:
    """Axis i repeated ``reps[i]`` times."""
    x = context.value("x")
    shape = context.shape(x)
    if context.shape("reps") != (len(shape),):
        raise InvalidModelError(
            f"reps has shape {context.shape('reps')} for a tensor of rank {len(shape)}", where=context.where
        )
    if context.is_const("reps"):
        repeats = context.ints("reps")
        if min(repeats, default=0) < 0:
            raise InvalidModelError(f"reps is {repeats}", where=context.where)
        check_elements(
            context,
            [size * times for size, times in zip(shape, repeats, strict=True) if isinstance(size, int)],
        )
    context.output(context.op("Tile", x, context.value("reps")))


@converts("sliding_windows")
def convert_sliding_windows(context: MilContext) -> None:
    """(…, L, …) → (…, (L − size) // stride + 1, size, …)."""
    x = context.value("x")
    shape = context.shape(x)
    axis = context.axis(whole_number(context, "axis"), len(shape))
    size = whole_number(context, "size", minimum=1)
    stride = whole_number(context, "stride", 1, minimum=1)
    length = shape[axis]
    if isinstance(length, int):
        if size > length:
            raise InvalidModelError(f"a window of {size} is longer than the axis, {length}", where=context.where)
        count = (length - size) // stride + 1
        check_elements(context, [*shape[:axis], count, size, *shape[axis + 1 :]])
        starts = stride * np.arange(count, dtype=np.int64)[:, None]
        indices = context.constant(starts + np.arange(size, dtype=np.int64))
    else:
        check_elements(context, [*shape[:axis], size, *shape[axis + 1 :]])
        room = context.op("Sub", sizes_of(context, x, axis, axis + 1), context.constant([size]))
        windows = context.op("Add", context.op("Div", room, context.constant(stride)), context.constant(1))
        first = context.op("Mul", counted(context, windows), context.constant(stride))
        inside = context.constant(np.arange(size, dtype=np.int64))
        indices = context.op("Add", reshaped(context, first, [-1, 1]), inside)
    context.output(context.op("Gather", x, indices, axis=axis))
