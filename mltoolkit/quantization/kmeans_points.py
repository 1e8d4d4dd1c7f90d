"""Sorted points of one-dimensional k-means with prefix sums: what the optimiser works on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mltoolkit.quantization.kmeans_grid import Floats, Positions, split_cells

# Above this many distinct values, neighbours share a point (hundreds of points per cluster remain).
MOST_POINTS = 1 << 16


@dataclass(frozen=True, slots=True)
class Points:
    """Ascending points on a line with masses.

    Attributes:
        centre: the median point; all sums below are taken about it, so that offsets lose no digits.
        values: float64 (n,), the points minus ``centre``.
        mass: float64 (n + 1,), the total mass before each point.
        moment: float64 (n + 1,), the sum of mass * value, zero at the median and added up outwards from it:
            an outlier then never drowns the sums between the values near the centre.
    """

    centre: float
    values: Floats
    mass: Floats
    moment: Floats

    def __len__(self) -> int:
        return self.values.size

    def means(self, bounds: Positions) -> Floats:
        """The mean of every run ``bounds[k] : bounds[k + 1]`` of points, about the centre.

        An empty run has the value of the point at which it stands.
        """
        mass, moment = self.mass[bounds], self.moment[bounds]
        mean = (moment[1:] - moment[:-1]) / (mass[1:] - mass[:-1])
        first = self.values[np.minimum(bounds[:-1], len(self) - 1)]
        last = self.values[np.maximum(bounds[1:] - 1, 0)]
        # Rounding may lead a mean out of its run where next to no mass lies; an empty run gives NaN.
        return np.where(mean >= first, np.minimum(mean, last), first)


def points_of(values: NDArray[np.float32], weights: Floats | None) -> Points:
    """Sort ``values`` (float32, finite, n >= 1) and merge equal ones.

    Args:
        values: float32 (n,).
        weights: float64 (n,), all > 0, or None for 1 each.
    """
    if weights is None:
        ordered = np.sort(values)
        mass: Floats | None = None
    else:
        order = np.argsort(values, kind="stable")
        ordered, mass = values[order], np.cumsum(weights[order])
    ends = np.flatnonzero(np.concatenate([ordered[1:] != ordered[:-1], [True]])) + 1
    if ends.size > MOST_POINTS:
        return _cells_of(ordered, mass)
    below = ends if mass is None else mass[ends - 1]
    distinct = ordered if ends.size == ordered.size else ordered[ends - 1]
    return _points(distinct.astype(np.float64), np.concatenate([[0.0], below]))


def points_of_sums(means: Floats, masses: Floats) -> Points:
    """Points from ascending means and their masses (> 0), float64 both."""
    return _points(means, np.concatenate([[0.0], np.cumsum(masses)]))


def _points(values: Floats, mass: Floats) -> Points:
    middle = min(int(mass.searchsorted(mass[-1] / 2)), values.size - 1)
    centre = float(values[middle])
    values = values - centre
    terms = (mass[1:] - mass[:-1]) * values
    moment = np.empty(mass.size)
    moment[middle] = 0.0
    np.cumsum(terms[middle:], out=moment[middle + 1 :])
    moment[:middle] = -np.cumsum(terms[:middle][::-1])[::-1]
    return Points(centre, values, mass, moment)


def _cells_of(ordered: NDArray[np.float32], mass: Floats | None) -> Points:
    """One point for every cell of a fine grid over the sorted values."""
    below = np.arange(ordered.size + 1.0) if mass is None else np.concatenate([[0.0], mass])
    start = np.linspace(0, ordered.size, MOST_POINTS // 8 + 1).astype(np.intp)
    bounds = split_cells(ordered, below, start, MOST_POINTS)
    terms = ordered.astype(np.float64)
    if mass is not None:
        terms *= np.diff(below)
    masses = np.diff(below[bounds])
    return points_of_sums(np.add.reduceat(terms, bounds[:-1]) / masses, masses)
