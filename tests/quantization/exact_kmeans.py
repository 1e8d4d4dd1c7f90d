"""The exact optimum of one-dimensional k-means: the reference for tests and benchmarks.

Divide and conquer over the rows of the dynamic programme D_k[j] = min_i D_{k-1}[i] + SSE(i, j), whose best i
grows with j (the sum of squared errors is a Monge array): O(K n log n) on all distinct values (Xiaolin Wu,
"Optimal quantization by matrix searching", J. Algorithms 12, 1991; Groenlund et al., arXiv 1701.07204). It
shares no code with the library.
"""

from __future__ import annotations

import numba
import numpy as np


def optimal_sse(values: np.ndarray, clusters: int, weights: np.ndarray | None = None) -> np.ndarray:
    """The least (weighted) sum of squared errors for every number of clusters up to ``clusters``.

    Args:
        values: any shape, finite.
        clusters: the largest number of clusters, at least 1.
        weights: as many masses >= 0, or None for 1 each.

    Returns:
        float64 of shape (clusters,): entry k - 1 is the optimum for k clusters.
    """
    flat = np.asarray(values, dtype=np.float64).ravel()
    mass = np.ones(flat.size) if weights is None else np.asarray(weights, dtype=np.float64).ravel()
    points, inverse = np.unique(flat, return_inverse=True)
    mass = np.bincount(inverse, mass, minlength=points.size)
    points, mass = points[mass > 0], mass[mass > 0]
    if points.size == 0:
        return np.zeros(clusters)
    # Prefix sums that start at the median: an outlier then never drowns the sums of the values around it.
    middle = int(np.searchsorted(np.cumsum(mass), mass.sum() / 2))
    points = points - points[min(middle, points.size - 1)]
    return _programme(
        _outward_sums(mass, middle),
        _outward_sums(mass * points, middle),
        _outward_sums(mass * points**2, middle),
        clusters,
    )


def sse_of(values: np.ndarray, table: np.ndarray, codes: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The (weighted) sum of squared errors of ``table[codes]``, in float64."""
    error = np.asarray(values, dtype=np.float64).ravel() - table.astype(np.float64)[codes.ravel()]
    return float(error @ error if weights is None else (error * error) @ np.ravel(weights).astype(np.float64))


def _outward_sums(terms: np.ndarray, middle: int) -> np.ndarray:
    return np.concatenate([-np.cumsum(terms[:middle][::-1])[::-1], [0.0], np.cumsum(terms[middle:])])


@numba.njit(cache=True)
def _sse(s0: np.ndarray, s1: np.ndarray, s2: np.ndarray, i: int, j: int) -> float:
    if j - i <= 1:
        return 0.0
    first = s1[j] - s1[i]
    return max(s2[j] - s2[i] - first * first / (s0[j] - s0[i]), 0.0)


@numba.njit(cache=True)
def _programme(s0: np.ndarray, s1: np.ndarray, s2: np.ndarray, clusters: int) -> np.ndarray:
    n = s0.size - 1
    best = np.empty(n + 1)
    for j in range(n + 1):
        best[j] = _sse(s0, s1, s2, 0, j)
    optimum = np.empty(clusters)
    optimum[0] = best[n]
    row = np.empty(n + 1)
    stack = np.empty((256, 4), dtype=np.int64)
    for k in range(1, clusters):
        if k >= n:
            optimum[k] = 0.0
            continue
        stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3] = 0, n, 0, n
        depth = 1
        while depth > 0:
            depth -= 1
            low, high, first, last = stack[depth, 0], stack[depth, 1], stack[depth, 2], stack[depth, 3]
            j = (low + high) // 2
            least, split = np.inf, first
            for i in range(first, min(j, last) + 1):
                candidate = best[i] + _sse(s0, s1, s2, i, j)
                if candidate < least:
                    least, split = candidate, i
            row[j] = least
            if low < j:
                stack[depth, 0], stack[depth, 1], stack[depth, 2], stack[depth, 3] = low, j - 1, first, split
                depth += 1
            if j < high:
                stack[depth, 0], stack[depth, 1], stack[depth, 2], stack[depth, 3] = j + 1, high, split, last
                depth += 1
        best, row = row, best
        optimum[k] = best[n]
    return optimum
