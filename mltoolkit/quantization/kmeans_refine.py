"""From a partition on a grid to one on the points: a windowed dynamic programme, then Lloyd's iterations."""

from __future__ import annotations

import numpy as np

from mltoolkit.quantization.kmeans_grid import Floats, Positions
from mltoolkit.quantization.kmeans_points import Points

_LLOYD_ROUNDS = 50


def candidate_positions(grid: Positions, bounds: Positions, cells: int, parts: int) -> Positions:
    """Positions to try for every inner boundary: ``cells`` cells to both sides, each cut into ``parts``.

    Args:
        grid: positions of the cell edges.
        bounds: the clusters + 1 boundaries, as indices into ``grid``.
        cells: how far to look.
        parts: pieces of equal numbers of points per cell.

    Returns:
        Positions (clusters - 1, 2 * cells * parts + 1), ascending in every row.
    """
    around = np.clip(bounds[1:-1, None] + np.arange(-cells, cells + 1), 0, grid.size - 1)
    edges = grid[around]
    start = edges[:, :-1, None]
    inner = start + (edges[:, 1:, None] - start) * np.arange(parts) // parts
    return np.concatenate([inner.reshape(edges.shape[0], -1), edges[:, -1:]], axis=1)


def best_candidates(points: Points, bounds: Positions, candidates: Positions) -> Positions:
    """The best partition with every inner boundary at one of its candidates, exactly.

    With y_k the mean of cluster k before the move and Δ the points that boundary k passes, the sum of squares
    changes by Σ_Δ (x - y_k)² - (x - y_{k+1})² for each boundary, less S1'² / S0' for each cluster, S1' being
    taken about y_k. Only differences within a cluster are squared.

    Args:
        points: the points.
        bounds: positions of the clusters + 1 boundaries; no cluster is empty.
        candidates: positions (clusters - 1, w).

    Returns:
        Positions of the clusters + 1 boundaries.
    """
    count, width = candidates.shape
    mass, moment = points.mass[bounds], points.moment[bounds]
    size = mass[1:] - mass[:-1]
    mean = (moment[1:] - moment[:-1]) / size
    passed = points.mass[candidates] - mass[1:-1, None]
    passed_moment = points.moment[candidates] - moment[1:-1, None]
    step, middle = mean[1:] - mean[:-1], (mean[1:] + mean[:-1]) / 2
    move = 2 * step[:, None] * (passed_moment - middle[:, None] * passed)
    gained = passed_moment - mean[:-1, None] * passed  # by the cluster before the boundary, about its mean
    lost = passed_moment - mean[1:, None] * passed  # by the cluster after it
    # [k, to, from]: boundary k at `from`, boundary k + 1 at `to`
    inner = _gain(
        gained[1:, :, None] - lost[:-1, None, :],
        (passed[1:] + size[1:-1, None])[:, :, None] - passed[:-1, None, :],
    )
    np.subtract(move[1:, :, None], inner, out=inner)
    rows = np.empty((count, width))
    rows[0] = move[0] - _gain(gained[0], size[0] + passed[0])
    sums = np.empty((width, width))
    for k in range(count - 1):
        np.add(inner[k], rows[k], out=sums)
        np.minimum.reduce(sums, axis=1, out=rows[k + 1])
    chosen = np.empty(count, dtype=np.intp)
    chosen[-1] = best = (rows[-1] - _gain(-lost[-1], size[-1] - passed[-1])).argmin()
    for k in range(count - 2, -1, -1):
        chosen[k] = best = (rows[k] + inner[k, best]).argmin()
    result = bounds.copy()
    result[1:-1] = candidates[np.arange(count), chosen]
    return result


def lloyd(points: Points, bounds: Positions) -> Positions:
    """Move every boundary half-way between the means beside it until nothing moves."""
    for _ in range(_LLOYD_ROUNDS):
        mean = points.means(bounds)
        inner = points.values.searchsorted((mean[1:] + mean[:-1]) / 2)
        if np.array_equal(inner, bounds[1:-1]):
            break
        bounds = np.concatenate([bounds[:1], inner, bounds[-1:]])
    return bounds


def _gain(moment: Floats, mass: Floats) -> Floats:
    """moment² / mass, -inf for a cluster without points (overwrites ``moment``)."""
    empty = mass <= 0.0
    np.multiply(moment, moment, out=moment)
    np.divide(moment, mass, out=moment)
    moment[empty] = -np.inf
    return moment
