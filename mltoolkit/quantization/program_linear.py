"""Linear codes with a whole zero point, as ML Programs store them: value = scale * (code - zero_point).

The formulas are those of coremltools 9 (``optimize/_utils.py``, ``quantize_weight_by_dtype``) in float32 like there, so
that the codes are the same; but ranges of any size are quantized, zeros too.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mltoolkit.formats.program_weights import AffineCodes

# Values quantized at a time: what is computed in between fits the cache of most machines.
_PIECE = 1 << 18
# The smallest float16 of full precision.
_SMALLEST_NORMAL_HALF = np.float32(2.0**-14)


def quantize_affine(
    values: NDArray[np.float32],
    nbits: int,
    counts: tuple[int, ...],
    *,
    symmetric: bool,
    signed: bool,
    half: bool = False,
) -> AffineCodes:
    """Linear codes with one scale for each block.

    Args:
        values: float32, finite.
        nbits: 4 or 8.
        counts: how many blocks lie along each axis; each divides the axis.
        symmetric: codes over a range symmetric about 0, whose zero point is the middle; else over the range of the
            values, 0 included.
        signed: whether codes may be negative.
        half: whether the program stores scales as float16.

    Returns:
        The codes; the zero point is None where it is 0 everywhere by construction.

    >>> quantize_affine(np.float32([[-1.0, 0.0, 1.0]]), 8, (1, 1), symmetric=True, signed=True).codes
    array([[-127,    0,  127]], dtype=int8)
    """
    low_code, high_code = code_range(nbits, symmetric=symmetric, signed=signed)
    split = [part for size, count in zip(values.shape, counts, strict=True) for part in (count, size // count)]
    blocks = values.reshape(split)
    inside = tuple(range(1, len(split), 2))
    low, high = blocks.min(axis=inside, keepdims=True), blocks.max(axis=inside, keepdims=True)
    if symmetric:
        high = np.maximum(np.abs(low), np.abs(high))
        low = -high
    else:
        low, high = np.minimum(low, np.float32(0)), np.maximum(high, np.float32(0))
    span = high - low
    scale = span / np.float32(high_code - low_code)
    if half:
        scale = _as_half(scale)
    empty = (span == 0) | (scale == 0)
    scale[empty] = 1
    zero_point: NDArray[np.float32] | None = None
    if not symmetric:
        with np.errstate(all="ignore"):
            zero_point = np.round((low_code * high - high_code * low) / np.where(span == 0, np.float32(1), span))
        zero_point = np.clip(zero_point, low_code, high_code)
    elif not signed:
        zero_point = np.full(scale.shape, high_code // 2, dtype=np.float32)
    dtype = np.int8 if signed else np.uint8
    codes = np.empty(values.shape, dtype=dtype)
    by_block = codes.reshape(split)
    for piece in _pieces(blocks.shape):
        steps = blocks[piece] / scale[_first(piece, scale.shape)]
        np.round(steps, out=steps)
        if zero_point is not None:
            steps += zero_point[_first(piece, zero_point.shape)]
        by_block[piece] = np.clip(steps, low_code, high_code, out=steps)
    zeros = None if zero_point is None else zero_point.reshape(counts).astype(dtype)
    return AffineCodes(codes, nbits, scale.reshape(counts), zeros)


def _as_half(scale: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scales as float16 holds them; where it has few bits they are rounded up, lest codes end before the values do."""
    half = scale.astype(np.float16)
    low = (half < scale) & (scale < _SMALLEST_NORMAL_HALF)
    return np.where(low, np.nextafter(half, np.float16(np.inf)), half).astype(np.float32)


def code_range(nbits: int, *, symmetric: bool, signed: bool) -> tuple[int, int]:
    """The least and the greatest code; symmetric ranges have as many below the middle as above.

    >>> code_range(8, symmetric=True, signed=True), code_range(4, symmetric=False, signed=False)
    ((-127, 127), (0, 15))
    """
    low, high = (-(1 << (nbits - 1)), (1 << (nbits - 1)) - 1) if signed else (0, (1 << nbits) - 1)
    if symmetric:
        return (low + 1, high) if signed else (low, high - 1)
    return low, high


def _pieces(shape: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Slices along the first axis of more than one element that together make the whole."""
    if 0 in shape:
        return
    axis = next((axis for axis, size in enumerate(shape) if size > 1), 0)
    step = max(1, _PIECE // max(1, int(np.prod(shape[axis + 1 :], dtype=np.int64))))
    for start in range(0, shape[axis], step):
        yield (*[slice(None)] * axis, slice(start, start + step))


def _first(piece: tuple[slice, ...], shape: tuple[int, ...]) -> tuple[slice, ...]:
    """A slice of parameters that goes with a slice of values."""
    return tuple(part if size > 1 else slice(None) for part, size in zip(piece, shape, strict=False))
