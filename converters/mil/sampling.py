"""Values of images between their pixels, read one by one: what GridSample and RoiAlign have in common.

An image [N, C, *sizes] becomes rows of C values, one a pixel; what is read at a point is a sum of some rows, weighted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mltoolkit.converters.mil.context import NodeContext


def pixel_rows(node: NodeContext, image: Any, shape: Sequence[int]) -> Any:
    """An image [N, C, *sizes] as (N · pixels, C)."""
    flat = node.mb.reshape(x=image, shape=[shape[0], shape[1], int(np.prod(shape[2:]))])
    return node.mb.reshape(x=node.mb.transpose(x=flat, perm=[0, 2, 1]), shape=[-1, shape[1]])


def row_numbers(node: NodeContext, coordinates: Sequence[Any], sizes: Sequence[int], image: Any) -> Any:
    """The row of each pixel.

    Args:
        node: the node.
        coordinates: of each axis, whole floats inside the image, all broadcast.
        sizes: of the axes.
        image: the number of each pixel's image, int32, or None where there is one only.

    Returns:
        int32.
    """
    mb = node.mb
    total: Any = None
    for coordinate, size in zip(coordinates, sizes, strict=True):
        number = mb.cast(x=coordinate, dtype="int32")
        total = number if total is None else mb.add(x=mb.mul(x=total, y=np.int32(size)), y=number)
    if image is None:
        return total
    return mb.add(x=total, y=mb.mul(x=image, y=np.int32(int(np.prod(sizes)))))


def read_rows(node: NodeContext, rows: Any, numbers: Any) -> Any:
    """The rows of the given numbers (any shape, flattened): (P, C)."""
    return node.mb.gather(x=rows, indices=node.mb.reshape(x=numbers, shape=[-1]), axis=0)


def within(node: NodeContext, x: Any, size: int) -> Any:
    """Coordinates moved to the nearest pixel of an axis of that size."""
    return node.mb.clip(x=x, alpha=0.0, beta=float(size - 1))


def inside(node: NodeContext, x: Any, low: float, high: float) -> Any:
    """1 where low ≤ x ≤ high, else 0."""
    mb = node.mb
    both = mb.logical_and(x=mb.greater_equal(x=x, y=np.float32(low)), y=mb.less_equal(x=x, y=np.float32(high)))
    return mb.cast(x=both, dtype="fp32")
