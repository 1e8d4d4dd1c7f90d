"""Where to cut sorted points into clusters: from a coarse grid over a fine one to the points themselves.

1. Grid of a few cells per cluster: the exact best partition (banded dynamic programme).
2. Its cells split to 24 per cluster (fewer for many clusters, where errors average out): the exact best
   partition with every boundary within 6 clusters of where step 1 put it, repeated while a boundary moves
   more than half that way. This step decides between partitions that differ by a whole cluster on one side.
3. Windows of two cells around each boundary cut finer: exact again, see :func:`best_candidates`.
4. Lloyd's iterations on the points.

Every constant below was chosen by comparison with the exact optimum over thousands of random mixtures.
"""

from __future__ import annotations

import numpy as np

from mltoolkit.quantization.kmeans_grid import Positions, initial_cells, split_cells
from mltoolkit.quantization.kmeans_points import Points
from mltoolkit.quantization.kmeans_programme import best_partition
from mltoolkit.quantization.kmeans_refine import best_candidates, candidate_positions, lloyd

# Up to this many additions the programme runs on the points at once.
_DIRECT_STEPS = 700_000
_COARSE_CELLS = 6
_COARSE_CELLS_OF_MANY = 4
_MANY_CLUSTERS = 64
_FINE_CELLS = 24.0
_FULLY_FINE_CLUSTERS = 8
# So few clusters are searched everywhere on the fine grid at once.
_FEW_CLUSTERS = 4
_FEWEST_CELLS = 64
_WINDOW_CLUSTERS = 6
_WINDOW_ROUNDS = 5


def best_bounds(points: Points, clusters: int) -> Positions:
    """The near-optimal partition of ``points`` into ``clusters`` runs.

    Args:
        points: more points than clusters.
        clusters: at least 1.

    Returns:
        Positions (clusters + 1,) from 0 to the number of points; no run is empty.
    """
    n = len(points)
    if clusters == 1:
        return np.array([0, n])
    slack = n - clusters + 1
    if slack * (slack * clusters + 10 * n) <= _DIRECT_STEPS:
        return best_partition(points.mass, points.moment, clusters, n)
    fine = int(_FINE_CELLS * min(1.0, (_FULLY_FINE_CLUSTERS / clusters) ** 0.25) * clusters)
    if clusters <= _FEW_CLUSTERS:
        grid = _enough(initial_cells(points.values, points.mass, max(fine, _FEWEST_CELLS)), n, clusters)
        bounds = _search_everywhere(points, grid, clusters)
    else:
        per_cluster = _COARSE_CELLS if clusters <= _MANY_CLUSTERS else _COARSE_CELLS_OF_MANY
        coarse = _enough(initial_cells(points.values, points.mass, per_cluster * clusters), n, clusters)
        start = coarse[_search_everywhere(points, coarse, clusters)]
        grid = split_cells(points.values, points.mass, coarse, fine) if n > fine else np.arange(n + 1)
        bounds = _search_near(points, grid, grid.searchsorted(start))
    if grid.size - 1 == n:
        return bounds
    candidates = candidate_positions(grid, bounds, cells=2, parts=4)
    return lloyd(points, best_candidates(points, grid[bounds], candidates))


def _enough(grid: Positions, n: int, clusters: int) -> Positions:
    """The grid, with edges added where it has hardly more cells than there are clusters."""
    if grid.size > 2 * clusters:
        return grid
    even = np.linspace(0, n, min(n, 4 * clusters) + 1).astype(np.intp)
    return np.union1d(grid, even)


def _search_everywhere(points: Points, grid: Positions, clusters: int) -> Positions:
    mass, moment = points.mass[grid], points.moment[grid]
    cells = grid.size - 1
    longest = 6 * cells // clusters + 1
    while True:
        bounds = best_partition(mass, moment, clusters, longest)
        # Where a longer cluster were better, its pieces show, one of them longer than half the limit.
        found = int(np.diff(bounds).max())
        if longest >= cells - clusters + 1 or found <= longest // 2:
            return bounds
        longest = 2 * found + 2


def _search_near(points: Points, grid: Positions, bounds: Positions) -> Positions:
    mass, moment = points.mass[grid], points.moment[grid]
    cells, clusters = grid.size - 1, bounds.size - 1
    window = _WINDOW_CLUSTERS * cells // clusters
    least = np.arange(clusters + 1)
    most = least + cells - clusters
    longest = int(np.diff(bounds).max() * 1.25) + 4
    for _ in range(_WINDOW_ROUNDS):
        low, high = np.maximum(bounds - window, least), np.minimum(bounds + window, most)
        before, bounds = bounds, best_partition(mass, moment, clusters, longest, low, high + 1)
        found = int(np.diff(bounds).max())
        if longest < cells - clusters + 1 and 5 * found > 4 * longest:
            longest = 2 * found + 2
        elif 2 * int(np.abs(bounds - before).max()) <= window:
            break
    return bounds
