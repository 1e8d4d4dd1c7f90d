"""Linear quantization: ``value = scale · code + bias`` with unsigned codes, as Core ML stores it.

The formulae are coremltools' own (scale and bias from the range of the values), in float64 and without its threshold
below which a range counts as zero, so that the scale of the weights does not matter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import ArgumentError, QuantizationError

# Values handled at once: float64 copies of a block stay in the cache.
_BLOCK = 1 << 16

Quantized = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]


def quantize_linear(rows: NDArray[np.floating], nbits: int) -> Quantized:
    """Codes from the range of each row: scale = (max − min) / (2ⁿ − 1), bias = min.

    Args:
        rows: finite, (channels, n); one row for one scale per tensor.
        nbits: 1 to 8.

    Returns:
        codes uint8 (channels, n), scale float32 (channels,), bias float32 (channels,). A row of one value only has
        scale 0 and is reproduced exactly.

    Raises:
        ArgumentError: nbits is out of range.
        QuantizationError: a value is NaN or infinite.

    >>> codes, scale, bias = quantize_linear(np.array([[0.0, 1.0, 2.0, 3.0]]), 2)
    >>> codes.tolist(), scale.tolist(), bias.tolist()
    ([[0, 1, 2, 3]], [1.0], [0.0])
    """
    low, high = _range(rows, nbits, 1)
    scale = (high - low) / ((1 << nbits) - 1)
    return _codes(rows, scale, low, nbits)


def quantize_linear_symmetric(rows: NDArray[np.floating], nbits: int) -> Quantized:
    """Codes from a range symmetric about 0: with r = max |value|, scale = r / (2ⁿ⁻¹ − 1), bias = −2ⁿ⁻¹ · scale.

    Args:
        rows: finite, (channels, n).
        nbits: 2 to 8; with 1 bit the range would be empty.

    Returns:
        As :func:`quantize_linear`; 0 is reproduced exactly by the code 2ⁿ⁻¹.

    Raises:
        ArgumentError: nbits is out of range.
        QuantizationError: a value is NaN or infinite.
    """
    low, high = _range(rows, nbits, 2)
    half = 1 << (nbits - 1)
    scale = np.maximum(-low, high) / (half - 1)
    return _codes(rows, scale, -half * scale, nbits)


def dequantize_linear(
    codes: NDArray[np.uint8], scale: NDArray[np.float32], bias: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The values (channels, n) that codes stand for, float32."""
    values = codes.astype(np.float32)
    values *= scale[:, None]
    values += bias[:, None]
    return values


def _range(rows: NDArray[np.floating], nbits: int, fewest: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Smallest and largest value of each row; 0 for empty rows."""
    if isinstance(nbits, bool) or not isinstance(nbits, (int, np.integer)) or not fewest <= nbits <= 8:
        raise ArgumentError(f"codes have {fewest} to 8 bits, not {nbits!r}")
    if rows.ndim != 2:
        raise ArgumentError(f"values are given as (channels, n), not with shape {rows.shape}")
    if not rows.size:
        empty = np.zeros(rows.shape[0])
        return empty, empty
    low, high = (reduce(axis=1).astype(np.float64) for reduce in (rows.min, rows.max))
    # NaN reaches min and max.
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise QuantizationError("the values are not all finite numbers")
    return low, high


def _codes(
    rows: NDArray[np.floating], scale: NDArray[np.float64], bias: NDArray[np.float64], nbits: int
) -> Quantized:
    codes = np.empty(rows.shape, dtype=np.uint8)
    inverse = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    # A subnormal scale has no finite inverse; the few values it could tell apart share a code then.
    inverse[~np.isfinite(inverse)] = 0.0
    largest = (1 << nbits) - 1
    width = max(1, min(rows.shape[1], _BLOCK))
    height = max(1, _BLOCK // width)
    for top in range(0, rows.shape[0], height):
        lines = slice(top, top + height)
        for left in range(0, rows.shape[1], width):
            part = (lines, slice(left, left + width))
            block = np.subtract(rows[part], bias[lines, None], dtype=np.float64)
            block *= inverse[lines, None]
            np.rint(block, out=block)
            # Rounding of the inverse may lead one step past the end.
            codes[part] = np.clip(block, 0, largest, out=block)
    limit = np.finfo(np.float32).max
    return codes, np.minimum(scale, limit).astype(np.float32), np.clip(bias, -limit, limit).astype(np.float32)
