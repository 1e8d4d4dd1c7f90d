"""Tensors made of steps, of ones, of triangles, of repetitions: Range, OneHot, EyeLike, Trilu, Tile."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mltoolkit.converters.mil.kinds import cast_to_kind, kind_of, like
from mltoolkit.converters.mil.registry import writes
from mltoolkit.converters.mil.selection import selected
from mltoolkit.converters.mil.sizes import counted, is_known, non_negative_axis, size_of

if TYPE_CHECKING:
    from mltoolkit.converters.mil.context import NodeContext


@writes("Range")
def write_range(node: NodeContext) -> Any:
    """Numbers from a start to before a limit."""
    known = [node.constant(index) for index in range(3)]
    if all(array is not None for array in known):
        start, limit, step = (array.reshape(-1)[0] for array in known if array is not None)
        count = max(0, math.ceil((limit - start) / step))
        if not count:
            node.refuse("it is empty, and Core ML holds no empty tensors")
        return (start + np.arange(count) * step).astype(start.dtype)
    start, limit, step = (_scalar(node, index) for index in range(3))
    return node.mb.range_1d(start=start, end=limit, step=step)


def _scalar(node: NodeContext, index: int) -> Any:
    x = node.input(index)
    if x.val is not None:
        return like(x, np.asarray(x.val).reshape(-1)[0])
    return node.mb.squeeze(x=x, axes=[0]) if x.rank == 1 else x


@writes("OneHot")
def write_one_hot(node: NodeContext) -> Any:
    """One value at the index along a new axis, another elsewhere; negative indices count from the end.

    Indices outside the axis give the other value everywhere, which MIL's own operation leaves open.
    """
    indices = cast_to_kind(node, node.input(0), "i")
    axis = non_negative_axis(node.attribute("axis", -1), indices.rank + 1)
    depth_known = node.constant(1)
    if depth_known is not None:
        depth: Any = int(depth_known.reshape(-1)[0])
        positions: Any = np.arange(depth, dtype=np.int32)
    else:
        depth = node.mb.reshape(x=cast_to_kind(node, node.input(1), "i"), shape=[1])
        positions = counted(node, depth)
    behind = indices.rank - axis
    if behind:
        shape = [-1] + [1] * behind
        known = isinstance(positions, np.ndarray)
        positions = positions.reshape(shape) if known else node.mb.reshape(x=positions, shape=shape)
    limit = np.int32(depth) if is_known(depth) else depth
    if not indices.rank and not is_known(limit):
        limit = node.mb.squeeze(x=limit, axes=[0])
    front = node.mb.select(cond=node.mb.less(x=indices, y=np.int32(0)), a=node.mb.add(x=indices, y=limit), b=indices)
    hit = node.mb.equal(x=node.mb.expand_dims(x=front, axes=[axis]), y=positions)
    values = node.input(2)
    off, on = (_element(node, values, index, hit.rank) for index in range(2))
    return selected(node, hit, on, off)


def _element(node: NodeContext, values: Any, index: int, rank: int) -> Any:
    """One element of a vector, broadcasting over a rank."""
    if values.val is not None:
        return node.mb.const(val=like(values, values.val[index]))
    one = node.mb.slice_by_index(x=values, begin=[index], end=[index + 1])
    return node.mb.reshape(x=one, shape=[1] * rank)


@writes("EyeLike")
def write_eye_like(node: NodeContext) -> Any:
    """A matrix of ones along a diagonal."""
    x = node.input(0)
    offset = node.attribute("k", 0)
    dtype = node.output_dtype().numpy()
    rows, columns = (size_of(node, x, axis) for axis in range(2))
    if is_known(rows) and is_known(columns):
        return np.eye(rows, columns, offset, dtype=dtype)
    hit = node.mb.equal(x=node.mb.add(x=_row_numbers(node, rows), y=np.int32(offset)), y=_column_numbers(node, columns))
    return cast_to_kind(node, hit, "f" if dtype.kind == "f" else ("b" if dtype.kind == "b" else "i"))


def _row_numbers(node: NodeContext, size: Any) -> Any:
    numbers = counted(node, size)
    return numbers.reshape(-1, 1) if isinstance(numbers, np.ndarray) else node.mb.reshape(x=numbers, shape=[-1, 1])


def _column_numbers(node: NodeContext, size: Any) -> Any:
    numbers = counted(node, size)
    return numbers.reshape(1, -1) if isinstance(numbers, np.ndarray) else node.mb.reshape(x=numbers, shape=[1, -1])


@writes("Trilu")
def write_trilu(node: NodeContext) -> Any:
    """The upper or lower triangles of matrices, zeros elsewhere."""
    x = node.input(0)
    offset = int(node.needed_constant(1, "k").reshape(-1)[0]) if node.has(1) else 0
    upper = bool(node.attribute("upper", 1))
    # band_part keeps some diagonals below the main one and some above, and all where their number is negative.
    if upper and offset <= 0:
        return node.mb.band_part(x=x, lower=-offset, upper=-1)
    if not upper and offset >= 0:
        return node.mb.band_part(x=x, lower=-1, upper=offset)
    rows, columns = (size_of(node, x, x.rank - 2 + axis) for axis in range(2))
    shifted = _shifted_rows(node, rows, offset)
    compare = node.mb.greater_equal if upper else node.mb.less_equal
    inside = compare(x=_column_numbers(node, columns), y=shifted)
    if kind_of(x) == "b":
        return node.mb.logical_and(x=x, y=inside)
    return selected(node, inside, x, like(x, 0))


def _shifted_rows(node: NodeContext, rows: Any, offset: int) -> Any:
    numbers = _row_numbers(node, rows)
    if isinstance(numbers, np.ndarray):
        return (numbers + offset).astype(np.int32)
    return node.mb.add(x=numbers, y=np.int32(offset))


@writes("Tile")
def write_tile(node: NodeContext) -> Any:
    """Each axis repeated."""
    x, counts = node.input(0), node.constant(1)
    if counts is None:
        return node.mb.tile(x=x, reps=node.input(1))
    if (counts < 1).any():
        node.refuse("something is repeated 0 times, and Core ML holds no empty tensors")
    if (counts == 1).all():
        return node.mb.identity(x=x)
    return node.mb.tile(x=x, reps=counts.astype(np.int32))
