"""Cells of about equal share of the distortion: the grid on which k-means clusters are first searched.

A quantizer with many levels is optimal when its level density follows the cube root of the data's density
(Panter and Dite 1951; Bennett 1948), that is when every level carries the same cbrt(mass * width^2). Cells
that carry equal amounts of it therefore put the same number of cells into every cluster of an optimal
partition.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]

_ROUNDS = 8
# Cells per cell of equal mass to begin with: more of those would crowd where values lie close together.
_CELLS_PER_START = 16


def initial_cells(values: Floats, mass: Floats, cells: int) -> Positions:
    """About ``cells`` cells over sorted ``values``: a few of equal mass, split where the distortion is.

    Args:
        values: ascending and distinct (n,).
        mass: prefix sums of the masses (n + 1,).
        cells: how many cells to aim at.

    Returns:
        Ascending positions from 0 to n; cell c holds the points ``bounds[c] : bounds[c + 1]`` and is never
        empty.
    """
    n = values.size
    bounds = mass.searchsorted(np.linspace(0.0, mass[-1], cells // _CELLS_PER_START + 2))
    bounds[0], bounds[-1] = 0, n
    return split_cells(values, mass, np.unique(bounds), cells)


def split_cells(values: NDArray[np.floating], mass: Floats, bounds: Positions, cells: int) -> Positions:
    """Split the cells that carry more than their share, evenly in value, until there are about ``cells``.

    A split that meets a gap leaves empty pieces, which are dropped, and the next round shares out what they
    had.
    """
    for _ in range(_ROUNDS):
        if bounds.size > 0.9 * cells:
            break
        first, last = values[bounds[:-1]].astype(np.float64), values[bounds[1:] - 1].astype(np.float64)
        below = mass[bounds]
        width = last - first
        share = np.cbrt(width * width * (below[1:] - below[:-1]))
        total = share.sum()
        if total == 0.0:
            break
        pieces = np.minimum(np.rint(share * (cells / total)), bounds[1:] - bounds[:-1]).astype(np.intp)
        large = np.flatnonzero(pieces > 1)
        if large.size == 0:
            break
        bounds = _with_cuts(values, bounds, large, pieces[large], first[large], width[large])
    return bounds


def _with_cuts(
    values: NDArray[np.floating],
    bounds: Positions,
    large: Positions,
    pieces: Positions,
    first: Floats,
    width: Floats,
) -> Positions:
    """``bounds`` and the inner edges of every cell in ``large`` cut into ``pieces`` of even width."""
    cuts = pieces - 1
    before = np.cumsum(cuts) - cuts
    cell = np.repeat(np.arange(large.size), cuts)
    number = np.arange(1, cell.size + 1) - before[cell]
    targets = first[cell] + (width / pieces)[cell] * number
    edges = values.searchsorted(targets.astype(values.dtype, copy=False), side="right")
    # The new edges of a cell follow its first bound: merged in order, without a sort.
    inserted = np.zeros(bounds.size, dtype=np.intp)
    inserted[large + 1] = cuts
    merged = np.empty(bounds.size + edges.size, dtype=np.intp)
    old = np.zeros(merged.size, dtype=bool)
    old[np.arange(bounds.size) + np.cumsum(inserted)] = True
    merged[old] = bounds
    merged[~old] = edges
    moves = np.concatenate([[True], merged[1:] != merged[:-1]])
    distinct: Positions = merged[moves]
    return distinct
