"""Slice."""

from __future__ import annotations

from typing import Any

import numpy as np

from mltoolkit.converters.mil.context import NodeContext
from mltoolkit.converters.mil.registry import writes
from mltoolkit.converters.mil.sizes import is_known, joined


@writes("Slice")
def write_slice(node: NodeContext) -> Any:
    """Slice, with limits that may be computed while the model runs."""
    x = node.input(0)
    if node.constant(1) is None or node.constant(2) is None:
        return _slice_by_values(node, x)
    starts, ends = node.ints(1, "starts") or [], node.ints(2, "ends") or []
    axes = node.ints(3, "axes") or list(range(len(starts)))
    steps = node.ints(4, "steps") or [1] * len(starts)
    begin, end, stride = [0] * x.rank, [0] * x.rank, [1] * x.rank
    begin_mask, end_mask = [True] * x.rank, [True] * x.rank
    for start, stop, axis, step in zip(starts, ends, axes, steps, strict=True):
        axis = axis + x.rank if axis < 0 else axis
        size = x.shape[axis]
        stride[axis] = step
        if is_known(size):
            indices = range(int(size))[start:stop:step]
            if not indices:
                if not all(is_known(other) for other in x.shape):
                    node.refuse("its result is empty", "slices of at least one element")
                # For the writers that can leave it out: Core ML has no empty tensors.
                return np.zeros([0 if place == axis else int(other) for place, other in enumerate(x.shape)], np.float32)
            begin[axis], begin_mask[axis] = indices.start, False
            end[axis], end_mask[axis] = indices.stop, indices.stop < 0
        else:
            begin[axis], begin_mask[axis], end[axis], end_mask[axis] = _of_flexible_size(node, start, stop, step)
    if all(begin_mask) and all(end_mask) and all(step == 1 for step in stride):
        return node.mb.identity(x=x)
    return node.mb.slice_by_index(x=x, begin=begin, end=end, stride=stride, begin_mask=begin_mask, end_mask=end_mask)


def _of_flexible_size(node: NodeContext, start: int, stop: int, step: int) -> tuple[int, bool, int, bool]:
    """Limits of an axis whose size is only known when the model runs; they count from either end as they stand."""
    limit = np.iinfo(np.int32).max
    if step < 0:
        if stop > -limit or (0 <= start < limit):
            node.refuse("it steps backwards over part of a flexible size", "fixed input shapes")
        return (start if start > -limit and start < 0 else 0), start >= limit or start == -1, 0, True
    return start, start == 0, (stop if abs(stop) < limit else 0), stop >= limit


def _slice_by_values(node: NodeContext, x: Any) -> Any:
    """Limits as vectors of one element an axis; those of axes that stay whole are masked."""
    axes = node.ints(3, "axes")
    count = node.shape(1)[0]
    if not is_known(count):
        node.refuse("the number of its axes is only known when the model runs", "fixed axes")
    axes = [axis + x.rank if axis < 0 else axis for axis in (axes or range(int(count)))]
    steps = node.ints(4, "steps") or [1] * len(axes)
    if any(step < 1 for step in steps):
        node.refuse("it steps backwards between computed limits", "positive steps")
    starts, ends = _elements(node, 1, len(axes)), _elements(node, 2, len(axes))
    begin: list[Any] = [0] * x.rank
    end: list[Any] = [0] * x.rank
    stride, masked = [1] * x.rank, [True] * x.rank
    for axis, start, stop, step in zip(axes, starts, ends, steps, strict=True):
        begin[axis], end[axis], stride[axis], masked[axis] = start, stop, step, False
    return node.mb.slice_by_index(
        x=x, begin=joined(node, begin), end=joined(node, end), stride=stride, begin_mask=masked, end_mask=masked
    )


def _elements(node: NodeContext, index: int, count: int) -> list[Any]:
    known = node.constant(index)
    if known is not None:
        limit = np.iinfo(np.int32).max
        return [int(np.clip(value, -limit, limit)) for value in known.reshape(-1)]
    vector = node.input(index)
    if count == 1:
        return [vector]
    return [node.mb.slice_by_index(x=vector, begin=[place], end=[place + 1]) for place in range(count)]
