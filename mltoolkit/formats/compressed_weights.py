"""Decoding compressed weights: affine codes by channel or block, lookup tables, bit masks.

Sources: the operations ``constexpr_*`` of iOS 16 and iOS 18 (coremltools, ``mil/ops/defs``), whose formulas
stand at the functions. Results in a floating type are float32; integers, which another compression may go on
to decode, keep their type. Besides the result, only pieces of :data:`_PIECE` elements are ever allocated.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import InvalidModelError

# Elements looked up at a time; their positions in the tables take eight times the space of 8-bit codes.
_PIECE = 1 << 18
# 4 GiB of float32; a small table of long vectors may claim any size.
_MAX_ELEMENTS = 1 << 30


def shift_and_scale(
    codes: NDArray[Any], scale: NDArray[Any], offset: NDArray[Any] | None, where: str
) -> NDArray[np.float32]:
    """scale · (codes − offset), with one scale and offset for each block.

    Args:
        codes: any numbers.
        scale: of the rank of ``codes``; each size divides that of ``codes``: the quotient is the block's.
        offset: of the shape of ``scale``.
        where: the operation, for errors.

    Raises:
        InvalidModelError: the shapes do not fit together.
    """
    if offset is not None and offset.shape != scale.shape:
        raise InvalidModelError(f"the scales have the shape {scale.shape} but the offsets {offset.shape}", where=where)
    _check_blocks(codes.shape, scale.shape, "scales", where)
    result: NDArray[np.float32] = codes.astype(np.float32, order="C")
    # Each axis is split into (blocks, elements of a block), so that the scales broadcast.
    blocks = [part for size, count in zip(codes.shape, scale.shape, strict=True) for part in (count, size // count)]
    split = [part for count in scale.shape for part in (count, 1)]
    by_block = result.reshape(blocks)
    # Infinite scales give what they give.
    with np.errstate(all="ignore"):
        if offset is not None:
            by_block -= offset.astype(np.float32).reshape(split)
        by_block *= scale.astype(np.float32).reshape(split)
    return result


def along_axis(
    shape: Sequence[Any], axis: int | None, scale: NDArray[Any], zero_point: NDArray[Any] | None, where: str
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Scale and zero point in one shape that broadcasts over a tensor: all 1, or all but the axis.

    Args:
        shape: the tensor's; sizes that are no ``int`` are unknown.
        axis: which axis vectors go along; None where only scalars are allowed.
        scale: of rank 0 or 1.
        zero_point: of rank 0 or 1.
        where: the operation, for errors.

    Raises:
        InvalidModelError: they are no scalars or vectors of the axis's size.
    """
    given = [array for array in (scale, zero_point) if array is not None]
    target = [1] * len(shape)
    if any(array.ndim for array in given):
        if axis is None or not -len(shape) <= axis < len(shape):
            raise InvalidModelError(f"there is no axis {axis} in rank {len(shape)}", where=where)
        target[axis] = max(array.size for array in given)
        if isinstance(shape[axis], int) and shape[axis] != target[axis] != 1:
            raise InvalidModelError(
                f"{target[axis]} scales or zero points do not go with {shape[axis]} indices of axis {axis}", where=where
            )
    if any(array.ndim > 1 or array.size not in (1, max(target, default=1)) for array in given):
        shapes = ", ".join(str(array.shape) for array in given)
        raise InvalidModelError(f"scale and zero point have the shapes {shapes}", where=where)

    def broadcast(array: NDArray[Any]) -> NDArray[Any]:
        return np.broadcast_to(array.reshape(-1), max(target, default=1)).reshape(target)

    return broadcast(scale), None if zero_point is None else broadcast(zero_point)


def look_up(indices: NDArray[Any], tables: NDArray[Any], vector_axis: int | None, where: str) -> NDArray[Any]:
    """The entries of lookup tables, one table for each block of indices.

    Args:
        indices: non-negative integers.
        tables: shape (blocks along each axis of ``indices``, …, entries, V).
        vector_axis: the axis along which the V elements of an entry stand one after the other.
        where: the operation, for errors.

    Raises:
        InvalidModelError: the shapes do not fit together, or an index is beyond its table.
    """
    if tables.ndim != indices.ndim + 2:
        raise InvalidModelError(
            f"tables of rank {tables.ndim} do not go with indices of rank {indices.ndim}", where=where
        )
    groups, (entries, length) = tables.shape[:-2], tables.shape[-2:]
    _check_blocks(indices.shape, groups, "lookup tables", where)
    if length != 1 and (vector_axis is None or not -indices.ndim <= vector_axis < indices.ndim):
        raise InvalidModelError(f"vectors of {length} elements cannot lie along the axis {vector_axis}", where=where)
    if indices.size * length > _MAX_ELEMENTS:
        raise InvalidModelError(f"{indices.size} vectors of {length} elements are too many", where=where)
    if indices.size and int(indices.max()) >= entries:
        raise InvalidModelError(f"an index is {int(indices.max())} but the table has {entries} entries", where=where)
    flat = _plain_floats(tables).reshape(-1, length)
    axis = (vector_axis or 0) % indices.ndim + 1
    result = np.empty((*indices.shape[:axis], length, *indices.shape[axis:]), dtype=flat.dtype)
    by_position = np.moveaxis(result, axis, -1)
    for piece in _pieces(indices.shape):
        first = _first_entries(indices.shape, groups, piece) * entries
        by_position[piece] = flat[first + indices[piece].astype(np.int64)]
    shape = list(indices.shape)
    shape[axis - 1] *= length
    return result.reshape(shape)


def spread(nonzero: NDArray[Any], mask: NDArray[Any], where: str) -> NDArray[Any]:
    """Zeros, and the elements of ``nonzero`` one after the other where ``mask`` is 1.

    Raises:
        InvalidModelError: there are more or fewer elements than places.
    """
    places = mask.astype(np.bool_, copy=False)
    count = int(np.count_nonzero(places))
    if nonzero.shape != (count,):
        raise InvalidModelError(f"the mask has {count} places for elements of shape {nonzero.shape}", where=where)
    kept = _plain_floats(nonzero)
    result = np.zeros(places.shape, dtype=kept.dtype)
    result[places] = kept
    return result


def gather_places(dense: NDArray[Any], mask: NDArray[Any]) -> NDArray[Any]:
    """The elements where ``mask`` is 1, one after the other: the reverse of :func:`spread`."""
    kept: NDArray[Any] = dense[mask.astype(np.bool_, copy=False)]
    return kept


def _plain_floats(array: NDArray[Any]) -> NDArray[Any]:
    return array if array.dtype.kind in "iub" else array.astype(np.float32, copy=False)


def _check_blocks(shape: Sequence[int], counts: Sequence[int], name: str, where: str) -> None:
    if (
        not shape
        or len(shape) != len(counts)
        or any(count < 1 or size % count for size, count in zip(shape, counts, strict=True))
    ):
        raise InvalidModelError(
            f"{name} of shape {tuple(counts)} do not divide weights of shape {tuple(shape)} into blocks",
            where=where,
        )


def _pieces(shape: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """Slices along the longest axis that together make the whole."""
    axis = max(range(len(shape)), key=lambda axis: shape[axis])
    step = max(1, _PIECE * shape[axis] // max(1, math.prod(shape)))
    for start in range(0, shape[axis], step):
        yield (*[slice(None)] * axis, slice(start, start + step))


def _first_entries(shape: Sequence[int], groups: Sequence[int], piece: Sequence[slice]) -> NDArray[np.int64]:
    """The number of each element's table, of a shape that broadcasts over the piece."""
    number = np.zeros([1] * len(shape), dtype=np.int64)
    for axis, (size, count) in enumerate(zip(shape, groups, strict=True)):
        along = np.arange(size) // (size // count)
        if axis < len(piece):
            along = along[piece[axis]]
        number = number * count
        if count > 1:
            number = number + along.reshape([-1 if other == axis else 1 for other in range(len(shape))])
    return number
