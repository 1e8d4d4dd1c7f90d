"""One-dimensional k-means, near-optimal: the lookup table with the least squared error."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import ArgumentError, QuantizationError
from mltoolkit.quantization.argument_kinds import is_whole_number
from mltoolkit.quantization.assignment import assign_within
from mltoolkit.quantization.kmeans_histogram import histogram_means
from mltoolkit.quantization.kmeans_points import points_of
from mltoolkit.quantization.kmeans_search import best_bounds

_MOST_CLUSTERS = 256
# Smaller masses would vanish in sums of all masses.
_LEAST_SHARE = 1e-15
# Fewer values are sorted, which is exact.
_HISTOGRAM_FROM = 1 << 15


def kmeans_1d(
    values: NDArray[np.floating], clusters: int, weights: NDArray[np.floating] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """The table of ``clusters`` values with the (nearly) least squared error, and the nearest entry's codes.

    The search is global (dynamic programming on a grid, refined exactly: see ``kmeans_search``) and
    deterministic. Measured against the exact optimum its error is within 0.1 % for all usual distributions;
    of 10,335 random mixtures of very different scales one was 0.3 % off. Up to ``clusters`` distinct values
    are reproduced exactly. Any scale will do; the arithmetic is float64 about the median.

    Args:
        values: float16 or float32, any shape and size, finite.
        clusters: 1 to 256 table entries.
        weights: as many masses >= 0 for a weighted sum of squares; all zero counts as all equal.

    Returns:
        The table, float32 (clusters,), ascending, its last entry repeated where there are fewer distinct
        values; and the codes, uint8 (values.size,), in the order of ``values.ravel()``.

    Raises:
        QuantizationError: values are not finite; weights are negative or not finite.
        ArgumentError: ``clusters`` out of range, or the sizes differ.

    >>> import numpy as np
    >>> kmeans_1d(np.array([0.0, 0.1, 5.0, 5.1], dtype=np.float32), 2)
    (array([0.05, 5.05], dtype=float32), array([0, 0, 1, 1], dtype=uint8))
    """
    if not is_whole_number(clusters) or not 1 <= clusters <= _MOST_CLUSTERS:
        raise ArgumentError(f"{clusters!r} clusters cannot be made", fix=f"Ask for 1 to {_MOST_CLUSTERS}")
    flat = np.asarray(values).reshape(-1).astype(np.float32, copy=False)
    if flat.size == 0:
        return np.zeros(clusters, dtype=np.float32), np.zeros(0, dtype=np.uint8)
    low, high = float(flat.min()), float(flat.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        bad = int(np.count_nonzero(~np.isfinite(flat)))
        raise QuantizationError(
            f"{bad} of {flat.size} values are NaN or infinite", fix="Repair the weights, or leave them out"
        )
    counted, masses = (flat, None) if weights is None else _weighted(flat, weights)
    with np.errstate(all="ignore"):
        table = _table(counted, int(clusters), masses)
    return table, assign_within(flat, table, low, high)


def _weighted(
    flat: NDArray[np.float32], weights: NDArray[np.floating]
) -> tuple[NDArray[np.float32], NDArray[np.float64] | None]:
    """The values that count, and their masses."""
    masses = np.asarray(weights).reshape(-1).astype(np.float64, copy=False)
    if masses.size != flat.size:
        raise ArgumentError(f"{masses.size} weights for {flat.size} values", fix="Give one weight for each value")
    least, most = float(masses.min()), float(masses.max())
    if not (least >= 0.0 and np.isfinite(most)):
        raise QuantizationError(
            f"the weights of the values range from {least:g} to {most:g}",
            fix="Give finite weights of at least 0",
        )
    if most == 0.0:
        return flat, None
    if least == 0.0:
        counts = masses > 0.0
        flat, masses = flat[counts], masses[counts]
    return flat, np.maximum(masses, _LEAST_SHARE * masses.sum())


def _table(values: NDArray[np.float32], clusters: int, weights: NDArray[np.float64] | None) -> NDArray[np.float32]:
    low, high = float(values.min()), float(values.max())
    if low == high:
        return np.full(clusters, low, dtype=np.float32)
    if values.size > _HISTOGRAM_FROM and clusters > 1:
        means = histogram_means(values, clusters, weights, low, high)
        if means is not None:
            return means.astype(np.float32)
    points = points_of(values, weights)
    if len(points) <= clusters:
        table = np.full(clusters, high, dtype=np.float32)
        table[: len(points)] = np.unique(values)
        return table
    return (points.means(best_bounds(points, clusters)) + points.centre).astype(np.float32)
