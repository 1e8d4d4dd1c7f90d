"""Parts of a tensor replaced (iOS 18): what models with a state write into their caches."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.converters.ml_program.sizes import counted, reshaped, sizes_of
from mltoolkit.converters.ml_program.slicing import SliceBounds, read_bounds
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import Dimension, dtype_of


@converts("slice_update")
def convert_slice_update(context: MilContext) -> None:
    """``x`` with ``x[begin:end:stride, …]`` replaced by ``update``.

    ScatterND of rows: slices of the axes behind the last one of which only a part is meant. No element is
    meant twice.
    """
    x = context.value("x")
    update = context.cast(context.value("update"), dtype_of(x))
    rank = context.rank(x)
    bounds = read_bounds(context, rank)
    parts = [_part(context, x, bounds, axis) for axis in range(rank)]
    _check_update(context, update, bounds, [context.shape(part)[0] for part in parts])
    depth = max((axis + 1 for axis in range(rank) if not _is_whole(context, x, parts[axis], axis)), default=0)
    if depth == 0:
        context.output(reshaped(context, update, sizes_of(context, x)))
        return
    counts = [sizes_of(context, part) for part in parts[:depth]]
    joint = _joined(context, counts, axis=0)
    columns = []
    for axis, part in enumerate(parts[:depth]):
        along = reshaped(context, part, [-1] + [1] * (depth - 1 - axis))
        columns.append(reshaped(context, context.op("Expand", along, joint), joint, [1]))
    rows = reshaped(context, update, joint, sizes_of(context, x, depth))
    context.output(context.op("ScatterND", x, _joined(context, columns, axis=depth), rows))


def _joined(context: MilContext, values: list[ir.Value], axis: int) -> ir.Value:
    return values[0] if len(values) == 1 else context.op("Concat", *values, axis=axis)


def _part(context: MilContext, x: ir.Value, bounds: SliceBounds, axis: int) -> ir.Value:
    """The indices meant of an axis, as a vector."""
    size, stride = context.shape(x)[axis], bounds.strides[axis]
    begin, end = bounds.begin.const_value, bounds.end.const_value
    if isinstance(size, int) and begin is not None and end is not None:
        first, last = int(begin.numpy().reshape(-1)[axis]), int(end.numpy().reshape(-1)[axis])
        return context.constant(np.array(range(size)[first:last:stride], dtype=np.int64))
    numbers = counted(context, sizes_of(context, x, axis, axis + 1))
    edges = [
        context.op("Slice", bound, context.constant([axis]), context.constant([axis + 1]))
        for bound in (bounds.begin, bounds.end)
    ]
    return context.op("Slice", numbers, *edges, context.constant([0]), context.constant([stride]))


def _is_whole(context: MilContext, x: ir.Value, part: ir.Value, axis: int) -> bool:
    """Whether the indices are known to be those of the whole axis in order."""
    size = context.shape(x)[axis]
    return (
        isinstance(size, int)
        and part.const_value is not None
        and np.array_equal(part.const_value.numpy(), np.arange(size))
    )


def _check_update(context: MilContext, update: ir.Value, bounds: SliceBounds, counts: list[Dimension]) -> None:
    wanted = [count for axis, count in enumerate(counts) if axis not in bounds.squeezed]
    shape = context.shape(update)
    if len(shape) != len(wanted) or any(
        isinstance(one, int) and isinstance(other, int) and one != other
        for one, other in zip(shape, wanted, strict=True)
    ):
        raise InvalidModelError(
            f"an update of shape {shape} does not fit a part of shape {tuple(wanted)}", where=context.where
        )
