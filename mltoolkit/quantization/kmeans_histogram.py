"""k-means of many values through a histogram: a pass over the values instead of a sort.

Clusters are made of whole bins, so that none can end inside a bin. Bins are accepted only where that costs
next to
nothing: before the pass as judged from a sample, after it from the bins at which the clusters end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mltoolkit.quantization.kmeans_grid import Floats
from mltoolkit.quantization.kmeans_points import points_of_sums
from mltoolkit.quantization.kmeans_search import best_bounds
from mltoolkit.quantization.value_keys import FloatKeys, KeyMap, LinearKeys, linear_keys_fit

# Relative increase of the squared error that bins may cause by where clusters end, and by where their values
# are taken to lie.
_MOST_LOSS = 3e-4
_MOST_SHIFT = 1e-4
_KEY_BITS = (12, 14, 16, 18)
# More bins cost more than the second half of the pass.
_CHEAP_BITS = 16
_SAMPLE = 4096
_GROUP = 32
_MOST_REPEATED = 0.01
_BLOCK = 1 << 18


def histogram_means(
    values: NDArray[np.float32], clusters: int, weights: Floats | None, low: float, high: float
) -> Floats | None:
    """The means of a near-optimal partition of ``values``.

    Args:
        values: float32 (n,), many.
        clusters: at least 2.
        weights: float64 (n,) > 0, or None.
        low: least value.
        high: greatest value, greater than ``low``.

    Returns:
        float64 (clusters,), ascending; None where bins are too coarse, or hardly more than clusters.
    """
    fitting = _fitting_keys(values, clusters, low, high)
    if fitting is None:
        return None
    key_map, fine = fitting
    masses = _sums(values, weights, key_map, moments=False)
    filled = np.flatnonzero(masses)
    if filled.size <= clusters:
        return None
    if fine and weights is None:
        middles = key_map.middles(filled)
        solution = _solve(middles, clusters, masses, key_map)
        widths = key_map.widths(middles.astype(np.float32))
        if float((masses[filled] * widths * widths).sum()) / 4 <= _MOST_SHIFT * solution.error:
            return solution.accepted_means
    moments = _sums(values, weights, key_map, moments=True)
    return _solve(moments[filled] / masses[filled], clusters, masses, key_map).accepted_means


@dataclass(frozen=True, slots=True)
class _Solution:
    """The means of the clusters, their squared error, and what the bins cost in addition."""

    means: Floats
    error: float
    loss: float

    @property
    def accepted_means(self) -> Floats | None:
        return self.means if self.loss <= _MOST_LOSS * self.error else None


def _solve(positions: Floats, clusters: int, masses: Floats, key_map: KeyMap) -> _Solution:
    """Cluster bins at ascending ``positions``.

    The loss comes from thresholds that lie inside a filled bin: with a threshold anywhere in a bin of mass b,
    the share of b on the wrong side has a mean square of 1/12; it displaces the mean of a cluster of mass m
    beside it by half the distance of the two means times share * b / m.
    """
    points = points_of_sums(positions, masses[masses > 0])
    bounds = best_bounds(points, clusters)
    means = points.means(bounds)
    offsets = points.values - np.repeat(means, np.diff(bounds))
    error = float((np.diff(points.mass) * offsets * offsets).sum())  # a dot product would start BLAS's threads
    means = means + points.centre
    inside = masses[key_map.keys(((means[1:] + means[:-1]) / 2).astype(np.float32))]
    size = np.diff(points.mass[bounds])
    cost = (inside * np.diff(means)) ** 2 * (1 / size[1:] + 1 / size[:-1]) / (4 * 12)
    return _Solution(means, error, float(cost.sum()))


def _fitting_keys(values: NDArray[np.float32], clusters: int, low: float, high: float) -> tuple[KeyMap, bool] | None:
    """The cheapest key map whose bins are fine enough against the clusters, as far as a sample tells.

    The best clusters are as wide as the density**(-1/3), with the width integrated to ``clusters`` (Panter
    and Dite 1951). A boundary displaced by a bin's width w costs up to (w / cluster width)² of a cluster's
    error.

    Returns:
        The key map; and whether the middles of its bins do for their means, which saves half of the pass: a
        value is at most w / 2 from the middle, (w / 2)² is little against (cluster width)² / 12, and the
        values hardly repeat, so that they lie anywhere in their bins.
    """
    sample = np.sort(values[:: max(values.size // _SAMPLE, 1)]).astype(np.float64)
    smooth = np.count_nonzero(sample[1:] == sample[:-1]) < _MOST_REPEATED * sample.size
    edges = sample[::_GROUP]
    gaps = np.diff(edges)
    middles = ((edges[1:] + edges[:-1]) / 2)[gaps > 0].astype(np.float32)
    roots = np.cbrt(gaps[gaps > 0])
    total = float((roots * roots).sum())
    if total == 0.0:
        return None
    cluster_widths = total * roots / clusters
    fitting = None
    for bits in _KEY_BITS:
        key_maps: list[KeyMap] = [FloatKeys.over(low, high, bits)]
        if linear_keys_fit(low, high):
            key_maps.insert(0, LinearKeys.over(low, high, bits))
        for key_map in key_maps:
            relative = key_map.widths(middles) / cluster_widths
            if smooth and 3 * float(relative.max()) ** 2 <= _MOST_SHIFT / 4:
                return key_map, True
            if fitting is None and float(((roots * relative) ** 2).sum()) / total <= _MOST_LOSS:
                fitting = key_map
        if fitting is not None and bits >= _CHEAP_BITS:
            break
    return None if fitting is None else (fitting, False)


def _frequent_value(values: NDArray[np.float32]) -> np.float32 | None:
    """The value that most of ``values`` have, as far as a sample tells: the zeros of pruned weights."""
    sample = np.sort(values[:: max(values.size // _SAMPLE, 1)])
    median = sample[sample.size // 2]
    return median if 2 * int(np.count_nonzero(sample == median)) > sample.size else None


def _sums(values: NDArray[np.float32], weights: Floats | None, key_map: KeyMap, *, moments: bool) -> Floats:
    """The mass (or the sum of mass * value) of every bin, float64 (key_map.count,)."""
    sums = np.zeros(key_map.count)
    # Adding to one bin again and again is slow: each addition waits for the one before it.
    frequent = _frequent_value(values) if weights is None else None
    counted = 0
    for start in range(0, values.size, _BLOCK):
        block = values[start : start + _BLOCK]
        if frequent is not None:
            block = block[block != frequent]
        counted += block.size
        terms: NDArray[np.floating] | None = block if moments else None
        if weights is not None:
            mass = weights[start : start + _BLOCK]
            terms = mass * block if moments else mass
        sums += np.bincount(key_map.keys(block), terms, minlength=key_map.count)
    if frequent is not None:
        sums[key_map.keys(np.array([frequent]))] += (values.size - counted) * (float(frequent) if moments else 1.0)
    return sums
