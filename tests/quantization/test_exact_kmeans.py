"""The reference against all partitions of small sets."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from exact_kmeans import optimal_sse


@pytest.mark.parametrize("seed", range(10))
def test_optimum_is_the_best_of_all_partitions(seed: int) -> None:
    r = np.random.default_rng(seed)
    values, weights = np.sort(np.round(r.standard_normal(9), 1)), r.random(9)
    optimum = optimal_sse(values, 4, weights)
    for clusters in range(1, 5):
        best = np.inf
        for cuts in combinations(range(1, 9), clusters - 1):
            error = 0.0
            for first, last in zip((0, *cuts), (*cuts, 9), strict=True):
                part, mass = values[first:last], weights[first:last]
                error += float((mass * (part - np.average(part, weights=mass)) ** 2).sum())
            best = min(best, error)
        assert optimum[clusters - 1] == pytest.approx(best, abs=1e-12)
