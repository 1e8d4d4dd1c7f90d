"""The codes of a weight, found again from its float32 values and the record of how they were decoded.

Converters transpose, reshape and cut weights, and blocks and channels go with them. So the axis along which the
scales or tables lie is found by trying, and every result is checked: decoding the codes must give the very values.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mltoolkit.graph.quantization_record import (
    AffineRecord,
    Float16Record,
    JoinedRecord,
    LinearRecord,
    QuantizationRecord,
    SparseRecord,
    TableRecord,
)

# Values looked at before all of them are: a wrong axis shows at once.
_SAMPLE = 512
_MAX_PERMUTED_RANK = 5


@dataclass(frozen=True, eq=False)
class HalfWeight:
    """Values that float16 holds exactly."""

    values: NDArray[np.float16]


@dataclass(frozen=True, eq=False)
class LinearWeight:
    """value = scale · code + bias, or scale · (code − zero point): one of ``bias`` and ``zero_point`` is None.

    ``codes`` are uint8, or int8 for signed codes, in the weight's shape; ``scale`` and the other are float32 with one
    size an axis: the number of blocks along it.
    """

    bits: int
    codes: NDArray[np.integer]
    scale: NDArray[np.float32]
    bias: NDArray[np.float32] | None
    zero_point: NDArray[np.float32] | None


@dataclass(frozen=True, eq=False)
class TableWeight:
    """value = table[code]; ``tables`` is (blocks along each axis, …, 2**bits) and ``codes`` uint8 in the shape."""

    bits: int
    codes: NDArray[np.uint8]
    tables: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SparseWeight:
    """Values that are zero where ``mask`` is; ``half``: float16 holds the others."""

    mask: NDArray[np.bool_]
    half: bool


CodedWeight = HalfWeight | LinearWeight | TableWeight | SparseWeight


def find_codes(values: NDArray[np.float32], record: QuantizationRecord) -> CodedWeight | None:
    """The codes of which a record's decoding gives exactly ``values``; None where there are none."""
    if values.dtype != np.float32 or not values.size or not values.ndim:
        return None
    if isinstance(record, Float16Record):
        return _half(values)
    if isinstance(record, SparseRecord):
        return SparseWeight(values != 0, record.half and _half(values) is not None)
    if isinstance(record, JoinedRecord):
        from mltoolkit.graph.quantization_parts import find_joined_codes

        return find_joined_codes(values, record)
    if isinstance(record, TableRecord):
        for (tables,) in _placed((record.tables,), values.shape, inner=1):
            codes = _table_codes(values, tables)
            if codes is not None:
                return TableWeight(record.bits, codes, tables)
        return None
    return _linear(values, record)


def _half(values: NDArray[np.float32]) -> HalfWeight | None:
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    return HalfWeight(half) if np.array_equal(half.astype(np.float32), values) else None


def _linear(values: NDArray[np.float32], record: LinearRecord | AffineRecord) -> LinearWeight | None:
    affine = isinstance(record, AffineRecord)
    shift = record.zero_point if isinstance(record, AffineRecord) else record.bias
    signed = isinstance(record, AffineRecord) and record.signed
    low = -(1 << (record.bits - 1)) if signed else 0
    high = low + (1 << record.bits) - 1
    for scale, moved in _placed((record.scale, shift), values.shape):
        codes = _linear_codes(values, scale, moved, affine, low, high)
        if codes is not None:
            whole = codes.astype(np.int8 if signed else np.uint8)
            return LinearWeight(record.bits, whole, scale, None if affine else moved, moved if affine else None)
    return None


def _linear_codes(
    values: NDArray[np.float32],
    scale: NDArray[np.float32],
    shift: NDArray[np.float32],
    affine: bool,
    low: int,
    high: int,
) -> NDArray[np.float32] | None:
    blocks = in_blocks(values, scale.shape)
    factors, shifts = _per_block(scale), _per_block(shift)

    def attempt(piece: tuple[slice, ...]) -> NDArray[np.float32] | None:
        part = blocks[piece]
        factor, moved = (array[_clipped(piece, array.shape)] for array in (factors, shifts))
        with np.errstate(all="ignore"):
            codes = np.rint(part / factor + moved if affine else (part - moved) / factor)
            codes = np.clip(np.nan_to_num(codes), low, high).astype(np.float32)
            decoded = (codes - moved) * factor if affine else codes * factor + moved
        return codes if np.array_equal(decoded, part) else None

    if attempt(_sample(blocks.shape)) is None:
        return None
    codes = attempt((slice(None),) * blocks.ndim)
    return None if codes is None else codes.reshape(values.shape)


def _table_codes(values: NDArray[np.float32], tables: NDArray[np.float32]) -> NDArray[np.uint8] | None:
    groups = tables.shape[:-1]
    blocks = in_blocks(values, groups)
    codes = np.empty(blocks.shape, dtype=np.uint8)
    for group in np.ndindex(*groups):
        place = tuple(part for index in group for part in (index, slice(None)))
        part, table = blocks[place], tables[group]
        order = np.argsort(table, kind="stable")
        entries = table[order]
        if not _looked_up(part.reshape(-1)[:_SAMPLE], entries)[1]:
            return None
        places, found = _looked_up(part, entries)
        if not found:
            return None
        codes[place] = order[places]
    return codes.reshape(values.shape)


def _looked_up(values: NDArray[np.float32], entries: NDArray[np.float32]) -> tuple[NDArray[np.intp], bool]:
    places = np.minimum(np.searchsorted(entries, values), entries.size - 1)
    return places, bool(np.array_equal(entries[places], values))


def in_blocks(values: NDArray[np.float32], counts: tuple[int, ...]) -> NDArray[np.float32]:
    """A view with each axis split into (blocks, elements of a block)."""
    split = [part for size, count in zip(values.shape, counts, strict=True) for part in (count, size // count)]
    return values.reshape(split)


def _per_block(parameter: NDArray[np.float32]) -> NDArray[np.float32]:
    return parameter.reshape([part for count in parameter.shape for part in (count, 1)])


def _sample(shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Slices that leave about :data:`_SAMPLE` elements, from all over the array."""
    keep = max(2, round(_SAMPLE ** (1 / max(1, sum(size > 1 for size in shape)))))
    return tuple(slice(None, None, max(1, size // keep)) for size in shape)


def _clipped(piece: tuple[slice, ...], shape: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(None) if size == 1 else part for part, size in zip(piece, shape, strict=True))


def _placed(
    parameters: tuple[NDArray[np.float32], ...], shape: tuple[int, ...], *, inner: int = 0
) -> Iterator[tuple[NDArray[np.float32], ...]]:
    """The parameters, of equal block counts, in every arrangement that divides a weight of that shape.

    Args:
        parameters: of shape (blocks along each axis, …) and ``inner`` more axes, which stay the last.
        shape: the weight's.
        inner: how many axes are no block counts.
    """
    rank = parameters[0].ndim - inner
    counts, tail = parameters[0].shape[:rank], parameters[0].shape[rank:]
    many = [axis for axis, count in enumerate(counts) if count > 1]
    if not many:
        yield tuple(array.reshape((*[1] * len(shape), *tail)) for array in parameters)
    elif len(many) == 1:
        count = counts[many[0]]
        # An axis of just that size is the likeliest.
        for axis in sorted(range(len(shape)), key=lambda axis: (shape[axis] != count, axis)):
            if shape[axis] % count == 0:
                target = [count if other == axis else 1 for other in range(len(shape))]
                yield tuple(array.reshape((*target, *tail)) for array in parameters)
    elif len(shape) <= _MAX_PERMUTED_RANK and rank <= len(shape) and math.prod(counts) <= math.prod(shape):
        kept = [array.reshape((*[1] * (len(shape) - rank), *array.shape)) for array in parameters]
        for order in itertools.permutations(range(len(shape))):
            moved = tuple(array.transpose(*order, *range(len(shape), len(shape) + len(tail))) for array in kept)
            if all(size % part == 0 for size, part in zip(shape, moved[0].shape, strict=False)):
                yield moved
