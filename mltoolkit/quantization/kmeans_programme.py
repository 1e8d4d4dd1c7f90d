"""Exact banded dynamic programme: the best partition of a row of cells into consecutive clusters.

D_k[j] = min over l of D_{k-1}[j - l] + scatter(l, j), where scatter(l, j) is the scatter of the l cells that
end at j between their means. (The scatter inside the cells is the same for every partition.)
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import as_strided

from mltoolkit.quantization.kmeans_grid import Floats, Positions

_DOUBLE = 8  # bytes


def best_partition(
    mass: Floats,
    moment: Floats,
    clusters: int,
    longest: int,
    low: Positions | None = None,
    high: Positions | None = None,
) -> Positions:
    """The partition with the least sum of squares among those with clusters of at most ``longest`` cells.

    Args:
        mass: prefix sums of the cells' masses, (cells + 1,), strictly ascending.
        moment: prefix sums of mass * value, (cells + 1,).
        clusters: 1 < clusters <= cells.
        longest: the most cells in a cluster.
        low: the least position of each of the clusters + 1 boundaries; without it every feasible one is
            tried.
        high: one more than each boundary's greatest position.

    Returns:
        The clusters + 1 boundaries, from 0 to cells.
    """
    cells = mass.size - 1
    slack = cells - clusters + 1
    longest = min(longest, slack)
    scatter = _scatter(mass, moment, longest)
    if low is None or high is None:
        low = np.arange(clusters + 1)
        high = low + slack
    # Row k holds D_k after `longest` infinite entries, so that ranges[k, l - 1, j] = D_k[j - l] needs no
    # test.
    rows = np.full((clusters, longest + cells + 1), np.inf)
    rows[0, longest] = 0.0
    strides = (rows.strides[0], -_DOUBLE, _DOUBLE)
    ranges = as_strided(rows[:, longest - 1 :], (clusters, longest, cells + 1), strides, writeable=False)
    sums = np.empty(longest * int((high - low).max()))
    for k, (first, last) in enumerate(zip(low[1:-1].tolist(), high[1:-1].tolist(), strict=True), start=1):
        candidates = sums[: longest * (last - first)].reshape(longest, last - first)
        np.add(ranges[k - 1, :, first:last], scatter[:, first - 1 : last - 1], out=candidates)
        np.minimum.reduce(candidates, axis=0, out=rows[k, longest + first : longest + last])
    bounds = np.zeros(clusters + 1, dtype=np.intp)
    bounds[clusters] = end = cells
    for k in range(clusters - 1, 0, -1):
        end -= int((ranges[k, :, end] + scatter[:, end - 1]).argmin()) + 1
        bounds[k] = end
    return bounds


def _scatter(mass: Floats, moment: Floats, longest: int) -> Floats:
    """Entry [l - 1, j - 1]: the scatter of the l cells that end at j, (longest, cells).

    Squares are taken about the last cell's mean, so that only differences inside a cluster are squared:
    clusters 1e-6 wide at a distance of 1 keep nine digits, which prefix sums of squares would not.
    """
    masses = mass[1:] - mass[:-1]
    means = (moment[1:] - moment[:-1]) / masses
    # Cells before the first have no mass; the rows of the programme keep them out.
    square = _backwards(means, longest, means[0]) - means
    square *= square
    square *= _backwards(masses, longest, 0.0)
    for row in range(1, longest):  # twice as fast as cumsum
        square[row] += square[row - 1]
    total = mass[1:] - _backwards(mass[:-1], longest, 0.0)
    first = moment[1:] - _backwards(moment[:-1], longest, moment[0])
    first -= means * total
    first *= first
    first /= total
    square -= first
    return square


def _backwards(row: Floats, count: int, before: float) -> Floats:
    """A read-only view: entry [l, j] is ``row[j - l]``, and ``before`` where there is none."""
    padded = np.concatenate([np.full(count - 1, before), row])
    return as_strided(padded[count - 1 :], (count, row.size), (-_DOUBLE, _DOUBLE), writeable=False)
