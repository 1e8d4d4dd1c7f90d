"""Lookup tables other than k-means: evenly spaced ones, and the caller's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import QuantizationError
from mltoolkit.quantization.linear import check_nbits, quantize_linear

TableAndCodes = tuple[NDArray[np.float32], NDArray[np.uint8]]

_HOW_TO_RETURN = "Return (table, codes): 2**nbits floats, and one whole number below 2**nbits for each weight"


def linear_lut(weights: NDArray[np.floating], nbits: int) -> TableAndCodes:
    """A table of 2**nbits evenly spaced values from the least weight to the greatest, and the codes.

    Table and codes are those of coremltools' mode ``linear_lut``.

    Args:
        weights: float32, any shape, finite.
        nbits: 1 to 8.

    Returns:
        The table, float32 (2**nbits,), ascending; the codes, uint8 (weights.size,), as in
        ``weights.ravel()``.

    Raises:
        ArgumentError, QuantizationError: as :func:`quantize_linear`.

    >>> import numpy as np
    >>> linear_lut(np.array([0.0, 1.0, 3.0], dtype=np.float32), 2)
    (array([0., 1., 2., 3.], dtype=float32), array([0, 1, 3], dtype=uint8))
    """
    row = weights.reshape(1, -1)
    codes, _, _ = quantize_linear(row, nbits)
    if row.size == 0:
        return np.zeros(1 << nbits, dtype=np.float32), codes.reshape(-1)
    low, high = float(row.min()), float(row.max())
    table = low + np.arange(1 << nbits) * ((high - low) / ((1 << nbits) - 1))
    return table.astype(np.float32), codes.reshape(-1)


def custom_lut(
    lut_function: Callable[[int, NDArray[np.float32]], Any],
    nbits: int,
    weights: NDArray[np.float32],
    *,
    where: str | None = None,
) -> TableAndCodes:
    """The table and codes of a caller's function, checked: wrong ones would make a model that nothing loads.

    Args:
        lut_function: called as ``lut_function(nbits, weights)`` with a copy of the weights; returns the table
            (2**nbits finite numbers) and the codes (whole numbers from 0 to 2**nbits - 1, one per weight).
        nbits: 1 to 8.
        weights: float32, any shape.
        where: layer and weight, for the error.

    Returns:
        The table, float32 (2**nbits,), and the codes, uint8 (weights.size,).

    Raises:
        QuantizationError: the function raised (its exception is the cause), or returned something else.
        ArgumentError: ``nbits`` is wrong.
    """
    check_nbits(nbits)
    try:
        returned = lut_function(nbits, weights.copy())
    except Exception as error:
        raise QuantizationError(
            f"the lut_function raised {type(error).__name__}: {error}", where=where, fix=_HOW_TO_RETURN
        ) from error
    if not isinstance(returned, tuple | list) or len(returned) != 2:
        count = f" of {len(returned)}" if isinstance(returned, tuple | list) else ""
        raise _wrong(f"a {type(returned).__name__}{count}", "a pair (table, codes)", where)
    return _checked_table(returned[0], nbits, where), _checked_codes(returned[1], nbits, weights.size, where)


def _checked_table(returned: Any, nbits: int, where: str | None) -> NDArray[np.float32]:
    expected = f"{1 << nbits} finite float32 values for {nbits} bits"
    table = _as_array(returned, "table", where)
    if table.dtype.kind not in "fiu":
        raise _wrong(f"a table of {table.dtype}", expected, where)
    if table.size != 1 << nbits:
        raise _wrong(f"a table of {table.size} values", expected, where)
    with np.errstate(over="ignore"):
        floats = table.reshape(-1).astype(np.float32)
    bad = int(np.count_nonzero(~np.isfinite(floats)))
    if bad:
        raise _wrong(f"a table with {bad} values that are NaN, infinite or beyond float32", expected, where)
    return floats


def _checked_codes(returned: Any, nbits: int, count: int, where: str | None) -> NDArray[np.uint8]:
    expected = f"{count} whole numbers from 0 to {(1 << nbits) - 1}"
    codes = _as_array(returned, "codes", where)
    # Rounded floats are whole numbers too: functions written for coremltools return them.
    whole = codes.dtype.kind in "iu" or (codes.dtype.kind == "f" and np.array_equal(codes, np.rint(codes)))
    if not whole and codes.size:
        raise _wrong(f"codes of {codes.dtype}", expected, where)
    if codes.size != count:
        raise _wrong(f"{codes.size} codes", expected, where)
    if codes.size and not (codes.min() >= 0 and codes.max() < 1 << nbits):
        raise _wrong(f"codes from {codes.min()} to {codes.max()}", expected, where)
    return codes.reshape(-1).astype(np.uint8)


def _as_array(returned: Any, name: str, where: str | None) -> NDArray[Any]:
    try:
        return np.asarray(returned)
    except (TypeError, ValueError) as error:
        raise QuantizationError(
            f"the lut_function returned {name} that are no array: {error}", where=where, fix=_HOW_TO_RETURN
        ) from error


def _wrong(returned: str, expected: str, where: str | None) -> QuantizationError:
    return QuantizationError(
        f"the lut_function returned {returned}, expected {expected}", where=where, fix=_HOW_TO_RETURN
    )
