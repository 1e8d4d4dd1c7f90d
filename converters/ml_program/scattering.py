"""Elements and slices replaced, or changed, at given indices; updates of one element take place in order.

All become ScatterElements: ONNX leaves it open what ScatterND does with an index that occurs twice, and
onnxruntime (1.31) then lets its threads overwrite each other.
"""

from __future__ import annotations

import onnx_ir as ir

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.indices import write_index
from mltoolkit.converters.ml_program.parameters import choice, whole_number
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.converters.ml_program.sizes import counted, elements_of, reshaped, sizes_of
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import Dimension, dtype_of

_REDUCTIONS = {
    "update": "none",
    "add": "add",
    "sub": "add",
    "mul": "mul",
    "div": "mul",
    "max": "max",
    "min": "min",
}


@converts("scatter")
def convert_scatter(context: MilContext) -> None:
    """Slices of an axis: data (…, D, …), indices (i, …), updates (…, i, …, …)."""
    data, updates = context.value("data"), context.value("updates")
    rank, depth = context.rank(data), context.rank("indices")
    axis = context.axis(whole_number(context, "axis", 0), rank)
    shape = context.shape(data)
    _check_shape(context, "updates", (*shape[:axis], *context.shape("indices"), *shape[axis + 1 :]))
    indices, may_miss = write_index(context, sizes_of(context, data, axis, axis + 1))
    if depth != 1:
        behind = sizes_of(context, updates, axis + depth)
        updates = reshaped(context, updates, sizes_of(context, updates, 0, axis), [-1], behind)
    indices = reshaped(context, indices, [-1] + [1] * (rank - axis - 1))
    indices = context.op("Expand", indices, sizes_of(context, updates))
    context.output(_scattered(context, data, indices, updates, axis, may_miss=may_miss))


@converts("scatter_along_axis")
def convert_scatter_along_axis(context: MilContext) -> None:
    """Single elements of an axis, as NumPy's put_along_axis."""
    data, updates = context.value("data"), context.value("updates")
    rank = context.rank(data)
    axis = context.axis(whole_number(context, "axis", 0), rank)
    shape = context.shape(data)
    limit: tuple[Dimension, ...] = (None,)
    _check_shape(context, "indices", (*shape[:axis], *limit, *shape[axis + 1 :]))
    _check_shape(context, "updates", context.shape("indices"))
    indices, may_miss = write_index(context, sizes_of(context, data, axis, axis + 1))
    context.output(_scattered(context, data, indices, updates, axis, may_miss=may_miss))


@converts("scatter_nd")
def convert_scatter_nd(context: MilContext) -> None:
    """Elements or slices at the positions that the last axis of the indices holds."""
    data, updates = context.value("data"), context.value("updates")
    rank, given = context.rank(data), context.shape("indices")
    depth = given[-1] if given else None
    if not isinstance(depth, int) or not 1 <= depth <= rank:
        raise InvalidModelError(f"indices of shape {given} do not fit a tensor of rank {rank}", where=context.where)
    _check_shape(context, "updates", (*given[:-1], *context.shape(data)[depth:]))
    indices, may_miss = write_index(context, sizes_of(context, data, 0, depth))
    # The data as a list of slices, and the number of the slice that each index means.
    count, length = elements_of(context, data, 0, depth), elements_of(context, data, depth)
    numbers = reshaped(context, counted(context, count), sizes_of(context, data, 0, depth))
    if may_miss:
        pads = context.constant([0] * depth + [1] * depth)
        numbers = context.op("Pad", numbers, pads, reshaped(context, count, []))
    rows = reshaped(context, context.op("GatherND", numbers, indices), [-1, 1])
    slices, changes = (reshaped(context, value, [-1], length) for value in (data, updates))
    rows = context.op("Expand", rows, sizes_of(context, changes))
    result = _scattered(context, slices, rows, changes, 0, may_miss=may_miss)
    context.output(reshaped(context, result, sizes_of(context, data)))


def _check_shape(context: MilContext, name: str, wanted: tuple[Dimension, ...]) -> None:
    shape = context.shape(name)
    if len(shape) != len(wanted) or any(
        isinstance(one, int) and isinstance(other, int) and one != other
        for one, other in zip(shape, wanted, strict=True)
    ):
        raise InvalidModelError(f"{name} has shape {shape} where {wanted} is needed", where=context.where)


def _scattered(
    context: MilContext, data: ir.Value, indices: ir.Value, updates: ir.Value, axis: int, *, may_miss: bool
) -> ir.Value:
    """The data with the updates; ``may_miss``: indices may point one behind the end, to be forgotten."""
    # coremltools writes the mode always; its own default is "add", whatever its text says.
    mode = choice(context, "mode", _REDUCTIONS, "add")
    size = sizes_of(context, data, axis, axis + 1)
    if may_miss:
        rank = context.rank(data)
        pads = [0] * 2 * rank
        pads[rank + axis] = 1
        data = context.op("Pad", data, context.constant(pads))
    updates = context.cast(updates, dtype_of(data))
    if mode == "sub":
        updates = context.op("Neg", updates)
    attributes = {"axis": axis, "reduction": _REDUCTIONS[mode]}
    if mode == "div":
        # Divided by the product of an element's updates, rather than multiplied by rounded reciprocals.
        ones = context.op("Expand", context.like(1, data), sizes_of(context, data))
        divisors = context.op("ScatterElements", ones, indices, updates, **attributes)
        result = context.op("Div", data, divisors)
    else:
        result = context.op("ScatterElements", data, indices, updates, **attributes)
    if may_miss:
        result = context.op("Slice", result, context.constant([0]), size, context.constant([axis]))
    return result
