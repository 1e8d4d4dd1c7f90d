"""Codes of the nearest table entries, fast for many values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import ArgumentError, QuantizationError
from mltoolkit.quantization.value_keys import FloatKeys, KeyMap, LinearKeys, linear_keys_fit

_MOST_ENTRIES = 256
_BLOCK = 1 << 16
_KEY_BITS = 16
# Fewer values than this do not pay for a table of keys.
_KEYED_FROM = 1 << 12
# Up to this many thresholds, comparing with each is faster than the table of keys.
_FEW_THRESHOLDS = 15
# A key with thresholds in it is marked by this bit above the 8 bits of a code.
_SHARED = np.uint16(256)


def assign_to_table(values: NDArray[np.floating], table: NDArray[np.floating]) -> NDArray[np.uint8]:
    """The code of the nearest entry of ``table`` for each value; half-way between two, the smaller entry's.

    For an ascending table the codes are those of ``searchsorted(midpoints, values)`` with the midpoints in
    float64.

    Args:
        values: float16 or float32, any shape, finite.
        table: 1 to 256 finite entries, in any order.

    Returns:
        uint8 (values.size,), in the order of ``values.ravel()``.

    Raises:
        QuantizationError: values or table entries are not finite.
        ArgumentError: the table is empty or longer than 256 entries.
    """
    flat = np.asarray(values).reshape(-1).astype(np.float32, copy=False)
    entries = np.asarray(table).reshape(-1).astype(np.float32, copy=False)
    if not 1 <= entries.size <= _MOST_ENTRIES:
        raise ArgumentError(f"a table of {entries.size} entries", fix=f"Give 1 to {_MOST_ENTRIES} entries")
    if not np.isfinite(entries).all():
        raise QuantizationError("the table holds NaN or infinite entries", fix="Give finite entries")
    if flat.size == 0:
        return np.zeros(0, dtype=np.uint8)
    low, high = float(flat.min()), float(flat.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise QuantizationError("NaN or infinite values have no nearest table entry", fix="Repair the weights")
    if (entries[1:] >= entries[:-1]).all():
        return assign_within(flat, entries, low, high)
    order = np.argsort(entries, kind="stable")
    return order.astype(np.uint8)[assign_within(flat, entries[order], low, high)]


def assign_within(
    values: NDArray[np.float32], table: NDArray[np.float32], low: float, high: float
) -> NDArray[np.uint8]:
    """As :func:`assign_to_table`, for a flat array, its least and greatest value, and an ascending table."""
    thresholds = _thresholds(table)
    if values.size < _KEYED_FROM:
        return thresholds.searchsorted(values).astype(np.uint8)
    below = int(np.count_nonzero(thresholds < low))
    thresholds = thresholds[below : int(np.count_nonzero(thresholds < high))]
    codes = np.empty(values.size, dtype=np.uint8)
    if thresholds.size <= _FEW_THRESHOLDS:
        _compare(values, thresholds, below, codes)
    else:
        _look_up(values, thresholds, below, _best_keys(thresholds, low, high), codes)
    return codes


def _thresholds(table: NDArray[np.float32]) -> NDArray[np.float32]:
    """The greatest float32 not above each midpoint: a float32 is above both or above neither."""
    wide = table.astype(np.float64)
    midpoints = (wide[1:] + wide[:-1]) / 2
    nearest = midpoints.astype(np.float32)
    return np.where(nearest > midpoints, np.nextafter(nearest, np.float32(-np.inf)), nearest)


def _compare(
    values: NDArray[np.float32], thresholds: NDArray[np.float32], below: int, codes: NDArray[np.uint8]
) -> None:
    above = np.empty(min(_BLOCK, values.size), dtype=bool)
    codes[:] = below
    for start in range(0, values.size, _BLOCK):
        block, out = values[start : start + _BLOCK], codes[start : start + _BLOCK]
        greater = above[: block.size]
        for threshold in thresholds:
            np.greater(block, threshold, out=greater)
            np.add(out, greater.view(np.uint8), out=out)


def _best_keys(thresholds: NDArray[np.float32], low: float, high: float) -> KeyMap:
    """The key map that keeps the thresholds best apart."""
    floats = FloatKeys.over(low, high, _KEY_BITS)
    if not linear_keys_fit(low, high):
        return floats
    linear = LinearKeys.over(low, high, _KEY_BITS)
    if np.unique(floats.keys(thresholds)).size > np.unique(linear.keys(thresholds)).size:
        return floats
    return linear


def _look_up(
    values: NDArray[np.float32],
    thresholds: NDArray[np.float32],
    below: int,
    key_map: KeyMap,
    codes: NDArray[np.uint8],
) -> None:
    threshold_keys = key_map.keys(thresholds)
    # For every key, how many thresholds have a smaller one: those certainly lie below its values.
    per_key = np.bincount(threshold_keys, minlength=key_map.count)
    first = (np.cumsum(per_key) - per_key + below).astype(np.uint16)
    shared = per_key > 0
    first[shared] |= _SHARED
    most = int(per_key.max())
    # steps[c] is the threshold above code c, for the values whose key says code c or more.
    steps = np.full(_MOST_ENTRIES + 1, np.inf, dtype=np.float32)
    steps[below : below + thresholds.size] = thresholds
    for start in range(0, values.size, _BLOCK):
        block = values[start : start + _BLOCK]
        found = first.take(key_map.keys(block), mode="clip")
        codes[start : start + _BLOCK] = found
        unsure = np.flatnonzero(found >= _SHARED)
        doubtful = block[unsure]
        if most > 4:
            codes[start + unsure] = below + thresholds.searchsorted(doubtful)
            continue
        code = (found[unsure] - _SHARED).astype(np.intp)
        for _ in range(most):
            code += doubtful > steps.take(code)
        codes[start + unsure] = code
