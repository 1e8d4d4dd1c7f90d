"""Tensors made of one value, of steps, or of a one at each index."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.parameters import check_elements, whole_number
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.converters.ml_program.sizes import counted, scalar, sizes_of
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import dtype_of


def _value(context: MilContext) -> ir.Value:
    return scalar(context, context.value("value")) if context.has("value") else context.constant(0.0)


@converts("fill")
def convert_fill(context: MilContext) -> None:
    """``value`` everywhere, in the shape that a vector tells."""
    shape = context.value("shape")
    if context.is_const("shape"):
        sizes = context.ints("shape")
        if min(sizes, default=0) < 0:
            raise InvalidModelError(f"shape is {sizes}", where=context.where)
        check_elements(context, sizes)
    context.output(context.op("Expand", _value(context), shape))


@converts("fill_like")
def convert_fill_like(context: MilContext) -> None:
    """``value`` everywhere, in the shape of another tensor."""
    context.output(context.op("Expand", _value(context), sizes_of(context, context.value("ref_tensor"))))


@converts("range_1d")
def convert_range(context: MilContext) -> None:
    """⌈(end − start) / step⌉ values from ``start`` on, as NumPy's arange."""
    names = ("start", "end", "step")
    if context.is_const("step") and not np.all(context.const("step")):
        raise InvalidModelError("the step is 0", where=context.where)
    if all(context.is_const(name) for name in names):
        _check_count(context, *(float(np.asarray(context.const(name)).reshape(-1)[0]) for name in names))
    start, end, step = (scalar(context, context.value(name)) for name in names)
    if dtype_of(start).kind == "i":
        context.output(context.op("Range", start, end, step))
        return
    # In float64, in which the quotient of two float32 numbers is never rounded up to a whole number that it
    # does not reach; multiples of the step, since onnxruntime's Range adds it up.
    start, end, step = (context.cast(value, np.float64) for value in (start, end, step))
    steps = context.op("Ceil", context.op("Div", context.op("Sub", end, start), step))
    positions = context.cast(counted(context, context.cast(steps, np.int64)), np.float64)
    values = context.op("Add", context.op("Mul", positions, step), start)
    context.output(context.cast(values, np.float32))


def _check_count(context: MilContext, start: float, end: float, step: float) -> None:
    count = (end - start) / step
    if not math.isfinite(count):
        raise InvalidModelError(
            f"a range from {start:g} to {end:g} in steps of {step:g} has no end", where=context.where
        )
    check_elements(context, [max(0, math.ceil(count))])


@converts("one_hot")
def convert_one_hot(context: MilContext) -> None:
    """``on_value`` at the index, else ``off_value``, along a new axis; for an index outside, only the latter.

    ONNX's OneHot counts negative indices from the end.
    """
    indices = context.cast(context.value("indices"), np.int64)
    rank = context.rank(indices) + 1
    axis = context.axis(whole_number(context, "axis", -1), rank)
    if context.is_const("one_hot_vector_size"):
        size = whole_number(context, "one_hot_vector_size", minimum=0)
        check_elements(context, [*context.shape(indices), size])
        positions = context.constant(np.arange(size, dtype=np.int64))
    else:
        positions = counted(context, context.value("one_hot_vector_size"))
    # Behind the new axis lie the input's axes from there on, along which the positions repeat.
    if axis < rank - 1:
        positions = context.op("Unsqueeze", positions, context.constant(list(range(1, rank - axis))))
    hit = context.op("Equal", context.op("Unsqueeze", indices, context.constant([axis])), positions)
    on, off = (
        scalar(context, context.value(name)) if context.has(name) else context.constant(default)
        for name, default in (("on_value", 1), ("off_value", 0))
    )
    if dtype_of(on) == np.bool_:
        on, off = (context.cast(value, np.int64) for value in (on, off))
        context.output(context.cast(context.op("Where", hit, on, off), np.bool_))
        return
    context.output(context.op("Where", hit, on, off))
