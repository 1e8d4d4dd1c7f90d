"""Sizes of values, known or only at run time, and reshaping by them.

A size is an int or, where it is only known at run time, an int32 Var of shape (1,).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mltoolkit.converters.mil.context import NodeContext


def is_known(size: Any) -> bool:
    """Whether a size is a number, not a symbol."""
    return isinstance(size, (int, np.integer))


def size_of(node: NodeContext, x: Any, axis: int) -> Any:
    """The size of an axis (not negative)."""
    size = x.shape[axis]
    if is_known(size):
        return int(size)
    return node.mb.slice_by_index(x=node.mb.shape(x=x), begin=[axis], end=[axis + 1])


def sizes_of(node: NodeContext, x: Any, first: int = 0, end: int | None = None) -> list[Any]:
    """The sizes of the axes ``first`` to before ``end``, of all to the last without it."""
    return [size_of(node, x, axis) for axis in range(first, x.rank if end is None else end)]


def known_shape(node: NodeContext, x: Any, purpose: str) -> tuple[int, ...]:
    """The shape, refused where a size is only known at run time.

    Args:
        node: the node that needs it.
        x: the value.
        purpose: what needs the shape, for the message.
    """
    if not all(is_known(size) for size in x.shape):
        node.refuse(
            f"{purpose} needs sizes that are known, not {tuple(map(str, x.shape))}", "convert with a fixed input shape"
        )
    return tuple(int(size) for size in x.shape)


def joined(node: NodeContext, sizes: Sequence[Any]) -> Any:
    """Sizes as one vector: an int32 array if all are known, else a Var."""
    if all(is_known(size) for size in sizes):
        return np.array(sizes, dtype=np.int32)
    parts: list[Any] = []
    for size in sizes:
        if not is_known(size):
            parts.append(size)
        elif parts and isinstance(parts[-1], list):
            parts[-1].append(size)
        else:
            parts.append([size])
    values = [np.array(part, dtype=np.int32) if isinstance(part, list) else part for part in parts]
    return node.mb.concat(values=values, axis=0) if len(values) > 1 else values[0]


def reshaped(node: NodeContext, x: Any, sizes: Sequence[Any]) -> Any:
    """The elements in another shape; one size may be −1."""
    if all(is_known(size) for size in x.shape) and tuple(x.shape) == tuple(
        size if is_known(size) else None for size in sizes
    ):
        return x
    return node.mb.reshape(x=x, shape=joined(node, sizes))


def counted(node: NodeContext, size: Any, dtype: Any = np.int32) -> Any:
    """0, 1, 2, … of a size, (size,)."""
    if is_known(size):
        return np.arange(size, dtype=dtype)
    end = node.mb.squeeze(x=size, axes=[0])
    numbers = node.mb.range_1d(start=np.int32(0), end=end, step=np.int32(1))
    return numbers if dtype == np.int32 else node.mb.cast(x=numbers, dtype="fp32")


def product(node: NodeContext, sizes: Sequence[Any]) -> Any:
    """The number of elements of a shape."""
    total: Any = 1
    for size in sizes:
        known = is_known(size) and is_known(total)
        total = total * size if known else _times(node, total, size)
    return total


def _times(node: NodeContext, first: Any, second: Any) -> Any:
    first, second = (np.array([size], dtype=np.int32) if is_known(size) else size for size in (first, second))
    return node.mb.mul(x=first, y=second)


def non_negative_axis(axis: int, rank: int) -> int:
    """An axis counted from the front."""
    return axis + rank if axis < 0 else axis
