"""Lookup tables other than k-means: even steps, and the caller's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import QuantizationError
from mltoolkit.quantization.linear import quantize_linear


def linear_lut(values: NDArray[np.floating], nbits: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """A table of 2ⁿ even steps from the smallest to the largest value, and the codes of the nearest entries.

    Args:
        values: finite, any shape.
        nbits: 1 to 8.

    Returns:
        table float32 (2**nbits,), codes uint8 (values.size,).

    Raises:
        QuantizationError: a value is NaN or infinite.
    """
    codes, scale, bias = quantize_linear(values.reshape(1, -1), nbits)
    steps = np.arange(1 << nbits, dtype=np.float64)
    table = (steps * float(scale[0]) + float(bias[0])).astype(np.float32)
    return table, codes.reshape(-1)


def custom_lut(
    function: Callable[[int, NDArray[np.float32]], tuple[Any, Any]],
    nbits: int,
    values: NDArray[np.float32],
    *,
    where: str | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """The table and codes that a caller's function makes, checked.

    Args:
        function: called with nbits and a copy of the values; returns 2**nbits finite numbers and one whole number
            from 0 to 2**nbits − 1 for each value.
        nbits: 1 to 8.
        values: float32, any shape.
        where: layer and weight, for errors.

    Returns:
        table float32 (2**nbits,), codes uint8 (values.size,).

    Raises:
        QuantizationError: the function raised, or returned something else.
    """
    try:
        returned = function(nbits, values.copy())
    except Exception as error:
        raise QuantizationError(f"lut_function failed: {type(error).__name__}: {error}", where=where) from error
    if not isinstance(returned, (tuple, list)) or len(returned) != 2:
        raise QuantizationError(
            f"lut_function must return (table, codes), not {_describe(returned)}", where=where
        )
    return _checked_table(returned[0], nbits, where), _checked_codes(returned[1], nbits, values.size, where)


def _describe(value: object) -> str:
    return f"{len(value)} values" if isinstance(value, (tuple, list)) else type(value).__name__


def _as_array(value: object, name: str, where: str | None) -> NDArray[Any]:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise QuantizationError(f"lut_function's {name} is no array: {error}", where=where) from error
    if array.dtype.kind not in "fiu":
        raise QuantizationError(f"lut_function's {name} must hold numbers, not {array.dtype}", where=where)
    return array.reshape(-1)


def _checked_table(value: object, nbits: int, where: str | None) -> NDArray[np.float32]:
    table = _as_array(value, "table", where)
    if table.size != 1 << nbits:
        raise QuantizationError(
            f"lut_function's table has {table.size} entries where {nbits} bits need {1 << nbits}", where=where
        )
    # A number beyond float32's range becomes infinite, which the check reports.
    with np.errstate(over="ignore"):
        table = table.astype(np.float32)
    if not np.isfinite(table).all():
        raise QuantizationError("lut_function's table holds NaN, or numbers that float32 cannot hold", where=where)
    return table


def _checked_codes(value: object, nbits: int, count: int, where: str | None) -> NDArray[np.uint8]:
    codes = _as_array(value, "codes", where)
    if codes.size != count:
        raise QuantizationError(
            f"lut_function gives {codes.size} codes for {count} weights", where=where
        )
    if codes.dtype.kind == "f" and not np.array_equal(codes, np.rint(codes)):
        raise QuantizationError("lut_function's codes are not whole numbers", where=where)
    if codes.size and (codes.min() < 0 or codes.max() >= 1 << nbits):
        raise QuantizationError(
            f"lut_function's codes go from {codes.min()} to {codes.max()}; "
            f"{nbits} bits hold 0 to {(1 << nbits) - 1}",
            where=where,
        )
    return codes.astype(np.uint8)
