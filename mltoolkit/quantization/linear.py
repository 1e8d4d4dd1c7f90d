"""Linear quantization as Core ML stores it: value = scale * code + bias, unsigned codes.

``WeightParams.quantization.linearQuantization`` in Core ML's NeuralNetwork.proto. The formulas are those of
coremltools 9 (``_quantize_channelwise_linear``), evaluated in float64 like there, so that the codes are the
same; but ranges of any size are quantized, where coremltools takes steps below 1e-6 for zero.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import ArgumentError, QuantizationError
from mltoolkit.quantization.argument_kinds import is_whole_number

LinearRows = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]

_BLOCK = 1 << 15
_LARGEST = float(np.finfo(np.float32).max)
_SMALLEST_NORMAL = float(np.finfo(np.float32).tiny)
_SMALLEST = float(np.finfo(np.float32).smallest_subnormal)


def quantize_linear(weights: NDArray[np.floating], nbits: int) -> LinearRows:
    """Codes between the least and the greatest value of every row.

    Args:
        weights: float32 (channels, n), finite; one row for one scale per tensor.
        nbits: 1 to 8.

    Returns:
        Codes, uint8 (channels, n), 0 to 2**nbits - 1; scale and bias, float32 (channels,). A constant row is
        reproduced exactly, with scale 0.

    Raises:
        ArgumentError: ``nbits`` or the shape is wrong.
        QuantizationError: values are not finite, or their range is beyond float32.

    >>> import numpy as np
    >>> codes, scale, bias = quantize_linear(np.array([[0.0, 1.0, 1.5]], dtype=np.float32), 2)
    >>> codes, scale, bias
    (array([[0, 2, 3]], dtype=uint8), array([0.5], dtype=float32), array([0.], dtype=float32))
    """
    check_nbits(nbits)
    low, high = _ranges(weights)
    scale = _representable((high - low) / ((1 << nbits) - 1), nbits)
    return _codes(weights, scale, low, nbits), scale.astype(np.float32), low.astype(np.float32)


def quantize_linear_symmetric(weights: NDArray[np.floating], nbits: int) -> LinearRows:
    """Codes over a range symmetric about 0, which the middle code 2**(nbits - 1) reproduces exactly.

    With r the greatest magnitude of a row: scale = r / (2**(nbits - 1) - 1), bias = -2**(nbits - 1) * scale.

    Args:
        weights: float32 (channels, n), finite.
        nbits: 2 to 8; one bit would stand for 0 and a value below every weight.

    Returns:
        Codes, uint8 (channels, n), 1 to 2**nbits - 1; scale and bias, float32 (channels,).

    Raises:
        ArgumentError, QuantizationError: as :func:`quantize_linear`.
    """
    check_nbits(nbits, fewest=2)
    low, high = _ranges(weights)
    half = 1 << (nbits - 1)
    scale = _representable(np.maximum(-low, high) / (half - 1), nbits)
    bias = -half * scale
    return _codes(weights, scale, bias, nbits), scale.astype(np.float32), bias.astype(np.float32)


def dequantize_linear(
    codes: NDArray[np.uint8], scale: NDArray[np.float32], bias: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The values that codes stand for, computed in float64.

    Args:
        codes: uint8 (channels, n).
        scale: float32 (channels,).
        bias: float32 (channels,).

    Returns:
        float32 (channels, n).
    """
    values = np.empty(codes.shape, dtype=np.float32)
    slope, offset = scale.astype(np.float64)[:, None], bias.astype(np.float64)[:, None]
    for rows, columns in _blocks(codes.shape):
        values[rows, columns] = codes[rows, columns] * slope[rows] + offset[rows]
    return values


def check_nbits(nbits: int, fewest: int = 1) -> None:
    """Raise ArgumentError unless ``nbits`` is a whole number from ``fewest`` to 8."""
    if not is_whole_number(nbits) or not fewest <= nbits <= 8:
        raise ArgumentError(f"codes cannot have {nbits!r} bits", fix=f"Give a whole number from {fewest} to 8")


def _ranges(weights: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The least and greatest value of every row, in float64."""
    if weights.ndim != 2:
        raise ArgumentError(
            f"weights of shape {weights.shape} are not rows of channels", fix="Reshape them to (channels, n)"
        )
    if weights.size == 0:
        return np.zeros(weights.shape[0]), np.zeros(weights.shape[0])
    low, high = weights.min(axis=1).astype(np.float64), weights.max(axis=1).astype(np.float64)
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        bad = int(np.count_nonzero(~np.isfinite(weights)))
        raise QuantizationError(
            f"{bad} of {weights.size} values are NaN or infinite", fix="Repair the weights, or leave them out"
        )
    return low, high


def _representable(scale: NDArray[np.float64], nbits: int) -> NDArray[np.float64]:
    """Scales that float32 holds: of those below its normal range, the next multiple of its smallest step."""
    width = float(scale.max(initial=0.0)) * ((1 << nbits) - 1)
    if width > _LARGEST:
        raise QuantizationError(
            f"codes would span {width:g}, which is beyond float32",
            fix="Rescale the weights, or leave them out",
        )
    subnormal = (scale > 0.0) & (scale < _SMALLEST_NORMAL)
    return np.where(subnormal, np.ceil(scale / _SMALLEST) * _SMALLEST, scale)


def _codes(
    weights: NDArray[np.floating], scale: NDArray[np.float64], bias: NDArray[np.float64], nbits: int
) -> NDArray[np.uint8]:
    """round((w - bias) / scale), 0 where the scale is 0."""
    inverse = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0.0)[:, None]
    bias = bias[:, None]
    codes = np.empty(weights.shape, dtype=np.uint8)
    for rows, columns in _blocks(weights.shape):
        steps = weights[rows, columns] - bias[rows]
        steps *= inverse[rows]
        codes[rows, columns] = np.rint(steps, out=steps)
    return codes


def _blocks(shape: tuple[int, ...]) -> list[tuple[slice, slice]]:
    """Slices of rows and columns of about _BLOCK values each, so that float64 copies stay in the cache."""
    channels, n = shape
    if n == 0:
        return []
    height, width = max(_BLOCK // n, 1), min(_BLOCK, n)
    return [
        (slice(row, row + height), slice(column, column + width))
        for row in range(0, channels, height)
        for column in range(0, n, width)
    ]
