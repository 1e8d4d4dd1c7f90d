"""The order of the vertices within each rank: few crossings, by barycentres, sweep after sweep."""

from __future__ import annotations

import itertools
from bisect import bisect_left, insort

from mltoolkit.visualization.layout.ranks import Ranked

_MAX_SWEEPS = 24
# Sweeps get fewer as graphs grow: about this many vertices are moved altogether.
_WORK = 120_000


def order_ranks(ranked: Ranked) -> list[list[int]]:
    """The vertices of each rank from left to right."""
    rows = _first_order(ranked)
    best, fewest = rows, _crossings(rows, ranked)
    sweeps = max(2, min(_MAX_SWEEPS, _WORK // max(1, len(ranked.rank))))
    unchanged = 0
    for sweep in range(sweeps):
        if not fewest or unchanged == 4:
            break
        rows = _swept(rows, ranked, down=sweep % 2 == 0)
        crossings = _crossings(rows, ranked)
        unchanged += 1
        if crossings < fewest:
            best, fewest, unchanged = rows, crossings, 0
    return best


def _first_order(ranked: Ranked) -> list[list[int]]:
    """Depth first from the top, in the order of the file: what hangs together stands together."""
    rows: list[list[int]] = [[] for _ in range(max(ranked.rank, default=-1) + 1)]
    seen = [False] * len(ranked.rank)
    # The nodes at the top come first, then any that only joins from the side.
    starts = sorted(range(ranked.nodes), key=lambda node: (bool(ranked.above[node]), node))
    for start in starts:
        waiting = [start]
        while waiting:
            vertex = waiting.pop()
            if seen[vertex]:
                continue
            seen[vertex] = True
            rows[ranked.rank[vertex]].append(vertex)
            waiting += reversed(ranked.below[vertex])
    return rows


def _swept(rows: list[list[int]], ranked: Ranked, *, down: bool) -> list[list[int]]:
    """Each rank ordered by the mean place of its neighbours in the rank before."""
    result = [list(row) for row in rows]
    neighbours = ranked.above if down else ranked.below
    indices = range(1, len(result)) if down else range(len(result) - 2, -1, -1)
    for index in indices:
        before = result[index - 1 if down else index + 1]
        place = {vertex: position for position, vertex in enumerate(before)}
        row = result[index]
        # What has no neighbours there stays where it is.
        centre = {}
        for position, vertex in enumerate(row):
            places = [place[other] for other in neighbours[vertex] if other in place]
            centre[vertex] = sum(places) / len(places) if places else float(position)
        row.sort(key=centre.__getitem__)
    return result


def _crossings(rows: list[list[int]], ranked: Ranked) -> int:
    total = 0
    for above, row in itertools.pairwise(rows):
        if len(row) < 2 and len(above) < 2:
            continue
        place = {vertex: position for position, vertex in enumerate(row)}
        passed: list[int] = []
        for vertex in above:
            ends = sorted(place[other] for other in ranked.below[vertex])
            total += sum(len(passed) - _after(passed, end) for end in ends)
            for end in ends:
                insort(passed, end)
    return total


def _after(passed: list[int], end: int) -> int:
    """How many of the ends passed lie at this one or left of it."""
    return bisect_left(passed, end + 1)
