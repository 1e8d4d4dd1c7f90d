"""What the values of a weight are like: their range, moments and histogram, alone or beside those of the original."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BINS = 48
# Values looked at together: bounds what is allocated besides the weight.
_BLOCK = 1 << 20
# Levels of a quantized weight that are shown one by one, and the values up to which they are looked for.
_MAX_LEVELS = 256
_MAX_SORTED = 1 << 21


@dataclass(frozen=True)
class WeightFigures:
    """Figures of all finite values.

    Attributes:
        smallest: the smallest value.
        largest: the largest value.
        mean: their mean.
        deviation: their standard deviation.
        zeros: how many are exactly zero.
        not_finite: how many are infinite or no numbers.
        low: where the histogram starts.
        high: where it ends, this value included.
        counts: values in each of its equal bins.
        before: the same of the original, over the same bins; empty where there is none.
        levels: the different values, in order, where there are no more than 256; else empty.
    """

    smallest: float
    largest: float
    mean: float
    deviation: float
    zeros: int
    not_finite: int
    low: float
    high: float
    counts: tuple[int, ...]
    before: tuple[int, ...] = ()
    levels: tuple[float, ...] = ()


def describe_values(values: NDArray[Any], original: NDArray[Any] | None = None) -> WeightFigures | None:
    """Figures of a weight; None if none of its values is finite.

    Args:
        values: any shape.
        original: what they were before quantization, of the same shape.
    """
    found = _range_of(values)
    if found is None:
        return None
    low, high = found[:2]
    if original is not None and (other := _range_of(original)) is not None:
        low, high = min(low, other[0]), max(high, other[1])
    return WeightFigures(
        *found,
        low,
        high,
        _histogram(values, low, high),
        _histogram(original, low, high) if original is not None else (),
        _levels(values),
    )


def _blocks(values: NDArray[Any]) -> list[NDArray[Any]]:
    flat = values.reshape(-1)
    return [flat[start : start + _BLOCK] for start in range(0, flat.size, _BLOCK)]


def _range_of(values: NDArray[Any]) -> tuple[float, float, float, float, int, int] | None:
    """Smallest, largest, mean, standard deviation, zeros, values that are not finite."""
    low, high, total, squares, zeros, count = math.inf, -math.inf, 0.0, 0.0, 0, 0
    for block in _blocks(values):
        wide = block.astype(np.float64)
        wide = wide[np.isfinite(wide)]
        if wide.size:
            low, high = min(low, float(wide.min())), max(high, float(wide.max()))
            total += float(wide.sum())
            squares += float(np.square(wide).sum())
            zeros += int(wide.size - np.count_nonzero(wide))
            count += wide.size
    if not count:
        return None
    mean = total / count
    return low, high, mean, math.sqrt(max(0.0, squares / count - mean * mean)), zeros, values.size - count


def _histogram(values: NDArray[Any], low: float, high: float) -> tuple[int, ...]:
    counts = np.zeros(_BINS, dtype=np.int64)
    scale = _BINS / (high - low) if high > low else 0.0
    for block in _blocks(values):
        wide = block.astype(np.float64)
        wide = wide[np.isfinite(wide)]
        places = np.minimum(((wide - low) * scale).astype(np.int64), _BINS - 1)
        counts += np.bincount(places, minlength=_BINS)
    return tuple(counts.tolist())


def _levels(values: NDArray[Any]) -> tuple[float, ...]:
    if not _MAX_LEVELS < values.size <= _MAX_SORTED:
        return ()
    # Most weights that are not quantized show it among their first values.
    flat = values.reshape(-1)
    if np.unique(flat[: 8 * _MAX_LEVELS]).size > _MAX_LEVELS:
        return ()
    found = np.unique(flat)
    return tuple(float(level) for level in found) if found.size <= _MAX_LEVELS and np.isfinite(found).all() else ()
