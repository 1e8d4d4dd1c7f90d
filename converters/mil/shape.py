"""Shapes: asking for them and changing them, the elements kept."""

from __future__ import annotations

from typing import Any

import numpy as np

from mltoolkit.converters.mil.context import NodeContext
from mltoolkit.converters.mil.kinds import as_numbers, kind_of, like
from mltoolkit.converters.mil.registry import writes
from mltoolkit.converters.mil.sizes import is_known, product, reshaped, size_of, sizes_of


@writes("Shape")
def write_shape(node: NodeContext) -> Any:
    """Shape, whole or in part; a constant where it is known."""
    shape = node.shape(0)
    rank = len(shape)
    start, end = node.attribute("start", 0), node.attribute("end", rank)
    start, end = (min(max(place + rank if place < 0 else place, 0), rank) for place in (start, end))
    part = shape[start:end]
    if all(is_known(size) for size in part):
        return np.array(part, dtype=np.int64)
    x = node.mb.shape(x=node.input(0))
    return x if (start, end) == (0, rank) else node.mb.slice_by_index(x=x, begin=[start], end=[end])


@writes("Size")
def write_size(node: NodeContext) -> Any:
    """Size: the number of elements."""
    if all(is_known(size) for size in node.shape(0)):
        return np.array(np.prod([int(size) for size in node.shape(0)], dtype=np.int64))
    return node.mb.reduce_prod(x=node.mb.shape(x=node.input(0)), axes=[0], keep_dims=False)


@writes("Reshape")
def write_reshape(node: NodeContext) -> Any:
    """Reshape; 0 copies a size unless ``allowzero`` says otherwise."""
    x, wanted = node.input(0), node.constant(1)
    if wanted is None:
        if node.shape(1) == () or not is_known(node.shape(1)[0]):
            node.refuse("the rank of its result is only known when the model runs", "a shape of known length")
        return node.mb.reshape(x=x, shape=node.input(1))
    sizes = [int(size) for size in wanted.reshape(-1)]
    if 0 in sizes and node.attribute("allowzero", 0):
        node.refuse("its result is empty", "shapes without a size of 0")
    if not sizes:
        return node.mb.squeeze(x=x, axes=list(range(x.rank))) if x.rank else node.mb.identity(x=x)
    filled = [size_of(node, x, axis) if size == 0 else size for axis, size in enumerate(sizes)]
    unknown = [axis for axis, size in enumerate(filled) if not is_known(size)]
    if len(unknown) == 1 and -1 not in sizes:
        filled[unknown[0]] = -1
    elif not unknown and -1 in sizes and all(is_known(size) for size in x.shape):
        total = int(np.prod([int(size) for size in x.shape], dtype=np.int64))
        others = -int(np.prod(filled, dtype=np.int64))
        filled[filled.index(-1)] = total // others if others else -1
    if x.rank == 0:
        x = node.mb.expand_dims(x=x, axes=[0])
    return reshaped(node, x, filled) if tuple(filled) != tuple(x.shape) else node.mb.identity(x=x)


@writes("Flatten")
def write_flatten(node: NodeContext) -> Any:
    """Flatten into a matrix."""
    x = node.input(0)
    axis = node.attribute("axis", 1)
    axis = axis + x.rank if axis < 0 else axis
    if x.rank == 0:
        return node.mb.expand_dims(x=x, axes=[0, 1])
    sizes = sizes_of(node, x)
    rows, columns = product(node, sizes[:axis]), product(node, sizes[axis:])
    if is_known(rows) and not is_known(columns):
        columns = -1
    elif is_known(columns) and not is_known(rows):
        rows = -1
    return reshaped(node, x, [rows, columns]) if x.rank != 2 or axis != 1 else node.mb.identity(x=x)


@writes("Transpose")
def write_transpose(node: NodeContext) -> Any:
    """Transpose; axes in reverse where no order is given."""
    x = node.input(0)
    order = node.attribute("perm", list(reversed(range(x.rank))))
    if x.rank < 2:
        return node.mb.identity(x=x)
    return node.mb.transpose(x=x, perm=list(order))


@writes("Squeeze")
def write_squeeze(node: NodeContext) -> Any:
    """Squeeze of axes of size 1, of all such where none is given."""
    x, axes = node.input(0), node.ints(1, "axes")
    if axes is None:
        if not all(is_known(size) for size in x.shape):
            node.refuse("it squeezes whatever axes have size 1, of a flexible shape", "Squeeze with axes")
        axes = [axis for axis, size in enumerate(x.shape) if size == 1]
    if not axes:
        return node.mb.identity(x=x)
    axes = sorted(axis + x.rank if axis < 0 else axis for axis in axes)
    if not all(is_known(x.shape[axis]) for axis in axes):
        node.refuse(f"it removes an axis of flexible size from the shape {tuple(x.shape)}", "fixed input shapes")
    return node.mb.squeeze(x=x, axes=axes)


@writes("Unsqueeze")
def write_unsqueeze(node: NodeContext) -> Any:
    """Unsqueeze; axes count in the result."""
    x, axes = node.input(0), node.ints(1, "axes") or []
    rank = x.rank + len(axes)
    axes = sorted(axis + rank if axis < 0 else axis for axis in axes)
    return node.mb.expand_dims(x=x, axes=axes) if axes else node.mb.identity(x=x)


@writes("Expand")
def write_expand(node: NodeContext) -> Any:
    """Expand: sizes of 1 repeat up to the wanted shape."""
    x, wanted = node.input(0), node.constant(1)
    if wanted is None:
        return _expand_by_value(node, x)
    sizes = [int(size) for size in wanted.reshape(-1)]
    rank = max(x.rank, len(sizes))
    if x.rank < rank:
        x = node.mb.expand_dims(x=x, axes=list(range(rank - x.rank)))
    sizes = [1] * (rank - len(sizes)) + sizes
    repeats = []
    for axis, size in enumerate(sizes):
        own = x.shape[axis]
        if is_known(own):
            repeats.append(size if own == 1 else 1)
        elif size == 1:
            repeats.append(1)
        else:
            node.refuse(f"it expands axis {axis}, of flexible size, to {size}", "fixed input shapes")
    if all(count == 1 for count in repeats):
        return node.mb.identity(x=x)
    return as_numbers(node, x, lambda value: node.mb.tile(x=value, reps=repeats))


def _expand_by_value(node: NodeContext, x: Any) -> Any:
    """Multiply by ones of a shape that is computed while the model runs."""

    def expand(value: Any) -> Any:
        ones = node.mb.fill(shape=node.input(1), value=np.float32(1))
        if kind_of(value) == "i":
            ones = node.mb.cast(x=ones, dtype="int32")
        return node.mb.add(x=value, y=node.mb.mul(x=ones, y=like(value, 0)))

    return as_numbers(node, x, expand)
