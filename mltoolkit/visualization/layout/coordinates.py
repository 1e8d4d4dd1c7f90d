"""Places from left to right: chains of vertices straight, neighbours apart, everything near its neighbours.

Source: Brandes and Köpf, Fast and Simple Horizontal Coordinate Assignment (2001): vertices are put into straight blocks
in four ways (from above or below, leaning left or right), and the middle of the four is taken. Blocks are moved
together by a longest path over the blocks of each rank, which needs none of the original's class shifts.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from mltoolkit.visualization.layout.ranks import Ranked

_Rows = list[list[int]]


def place_across(ranked: Ranked, rows: _Rows, widths: Sequence[float], gap: float) -> list[float]:
    """The middle of each vertex, the leftmost side of all at 0.

    Args:
        ranked: the graph.
        rows: the vertices of each rank from left to right.
        widths: of each vertex.
        gap: what at least stays free between two vertices of a rank.
    """
    conflicts = _conflicts(ranked, rows)
    found = []
    for down in (True, False):
        for left in (True, False):
            ways = rows if left else [row[::-1] for row in rows]
            roots = _blocks(ranked, ways, conflicts, down=down)
            places = _compact(ways, roots, widths, gap)
            found.append(places if left else [-place for place in places])
    return _middle(found, widths)


def _conflicts(ranked: Ranked, rows: _Rows) -> set[tuple[int, int]]:
    """Lines that cross a line between two passing points: they give way to it."""
    found: set[tuple[int, int]] = set()
    position = _positions(rows)
    for above, row in itertools.pairwise(rows):
        first, start = 0, 0
        for index, vertex in enumerate(row):
            inner = _inner_end(ranked, vertex)
            if inner is None and index < len(row) - 1:
                continue
            last = position[inner] if inner is not None else len(above)
            for other in row[start : index + 1]:
                for end in ranked.above[other]:
                    passes = end >= ranked.nodes and other >= ranked.nodes
                    if not passes and not first <= position[end] <= last:
                        found.add((end, other))
            first, start = last, index + 1
    return found


def _inner_end(ranked: Ranked, vertex: int) -> int | None:
    """The passing point above a passing point."""
    if vertex < ranked.nodes or not ranked.above[vertex]:
        return None
    end = ranked.above[vertex][0]
    return end if end >= ranked.nodes else None


def _positions(rows: _Rows) -> dict[int, int]:
    return {vertex: position for row in rows for position, vertex in enumerate(row)}


def _blocks(ranked: Ranked, rows: _Rows, conflicts: set[tuple[int, int]], *, down: bool) -> list[int]:
    """For each vertex the vertex that stands for its block: each joins its middle neighbour if that is free."""
    position = _positions(rows)
    roots = list(range(len(ranked.rank)))
    taken: set[int] = set()
    neighbours = ranked.above if down else ranked.below
    for row in rows if down else reversed(rows):
        limit = -1
        for vertex in row:
            ends = sorted(neighbours[vertex], key=position.__getitem__)
            middle = len(ends) - 1
            for index in dict.fromkeys((middle // 2, (middle + 1) // 2)) if ends else ():
                end = ends[index]
                pair = (end, vertex) if down else (vertex, end)
                if end in taken or position[end] <= limit or pair in conflicts:
                    continue
                taken.add(end)
                roots[vertex] = roots[end]
                limit = position[end]
                break
    return roots


def _compact(rows: _Rows, roots: Sequence[int], widths: Sequence[float], gap: float) -> list[float]:
    """Each block as far left as its neighbours let it, and then as far right as those on its right let it."""
    after: dict[int, dict[int, float]] = {root: {} for root in set(roots)}
    before: dict[int, dict[int, float]] = {root: {} for root in after}
    for row in rows:
        for left, right in itertools.pairwise(row):
            apart = (widths[left] + widths[right]) / 2 + gap
            one, other = roots[left], roots[right]
            if after[one].get(other, -1.0) < apart:
                after[one][other] = before[other][one] = apart
    sequence = _from_left(after, before)
    place: dict[int, float] = {}
    for root in sequence:
        place[root] = max((place[left] + apart for left, apart in before[root].items()), default=0.0)
    for root in reversed(sequence):
        if after[root] and before[root]:
            place[root] = max(place[root], min(place[right] - apart for right, apart in after[root].items()))
    return [place[root] for root in roots]


def _from_left(after: dict[int, dict[int, float]], before: dict[int, dict[int, float]]) -> list[int]:
    missing = {root: len(left) for root, left in before.items()}
    ready = [root for root, count in missing.items() if not count]
    sequence = []
    while ready:
        root = ready.pop()
        sequence.append(root)
        for right in after[root]:
            missing[right] -= 1
            if not missing[right]:
                ready.append(right)
    return sequence


def _middle(found: list[list[float]], widths: Sequence[float]) -> list[float]:
    """The mean of the two middle ones of four places, after all four are moved to the narrowest."""
    if not widths:
        return []
    sides = [
        (
            min(place - width / 2 for place, width in zip(places, widths, strict=True)),
            max(place + width / 2 for place, width in zip(places, widths, strict=True)),
        )
        for places in found
    ]
    low, high = min(sides, key=lambda side: side[1] - side[0])
    # The second and fourth lean to the right.
    shifts = [(low - side[0], high - side[1])[index % 2] for index, side in enumerate(sides)]
    places = []
    for options in zip(*found, strict=True):
        moved = sorted(option + shift for option, shift in zip(options, shifts, strict=True))
        places.append((moved[1] + moved[2]) / 2)
    least = min(place - width / 2 for place, width in zip(places, widths, strict=True))
    return [place - least for place in places]
