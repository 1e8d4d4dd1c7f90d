"""A drawing of a graph: the boxes of its nodes and the lines of its edges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mltoolkit.visualization.layout.coordinates import place_across
from mltoolkit.visualization.layout.order import order_ranks
from mltoolkit.visualization.layout.ranks import Ranked, pass_ranks, rank_nodes

_ACROSS = 28.0
_DOWN = 46.0
# A passing line keeps a little room for itself.
_LINE_WIDTH = 6.0
_PORT_GAP = 14.0

Point = tuple[float, float]


@dataclass(frozen=True)
class Drawing:
    """A graph, drawn. Units are pixels; y grows downwards.

    Attributes:
        corners: the upper left corner of each node.
        lines: for each edge the points that its line runs through.
        width: of everything.
        height: of everything.
    """

    corners: list[Point]
    lines: list[list[Point]]
    width: float
    height: float


def draw(sizes: Sequence[tuple[float, float]], edges: Sequence[tuple[int, int]]) -> Drawing:
    """Draw a graph in ranks from top to bottom.

    Args:
        sizes: width and height of each node.
        edges: pairs (from, to) with from < to.
    """
    if not sizes:
        return Drawing([], [], 0.0, 0.0)
    ranked = pass_ranks(rank_nodes(len(sizes), edges), edges)
    rows = order_ranks(ranked)
    widths = [size[0] for size in sizes] + [_LINE_WIDTH] * (len(ranked.rank) - len(sizes))
    middles = place_across(ranked, rows, widths, _ACROSS)
    tops, heights = _bands(sizes, ranked, len(rows))
    corners = [
        (middles[node] - size[0] / 2, tops[ranked.rank[node]] + (heights[ranked.rank[node]] - size[1]) / 2)
        for node, size in enumerate(sizes)
    ]
    arrivals = _arrivals(edges, ranked, middles, sizes)
    lines = []
    for index, ((source, target), route) in enumerate(zip(edges, ranked.routes, strict=True)):
        line = [(middles[source], corners[source][1] + sizes[source][1])]
        for point in route[1:-1]:
            band = ranked.rank[point]
            line += [(middles[point], tops[band]), (middles[point], tops[band] + heights[band])]
        lines.append([*line, (arrivals[index], corners[target][1])])
    width = max(middle + wide / 2 for middle, wide in zip(middles, widths, strict=True))
    return Drawing(corners, lines, width, tops[-1] + heights[-1])


def _bands(sizes: Sequence[tuple[float, float]], ranked: Ranked, count: int) -> tuple[list[float], list[float]]:
    heights = [0.0] * count
    for node, (_, height) in enumerate(sizes):
        heights[ranked.rank[node]] = max(heights[ranked.rank[node]], height)
    tops, top = [], 0.0
    for height in heights:
        tops.append(top)
        top += height + _DOWN
    return tops, heights


def _arrivals(
    edges: Sequence[tuple[int, int]],
    ranked: Ranked,
    middles: Sequence[float],
    sizes: Sequence[tuple[float, float]],
) -> list[float]:
    """Where each edge meets the upper side of its target: side by side, in the order in which they come."""
    coming: dict[int, list[int]] = {}
    for index, (_, target) in enumerate(edges):
        coming.setdefault(target, []).append(index)
    places = [0.0] * len(edges)
    for target, indices in coming.items():
        indices.sort(key=lambda index: middles[ranked.routes[index][-2]])
        step = min(_PORT_GAP, max(0.0, sizes[target][0] - 24) / max(1, len(indices) - 1))
        for place, index in enumerate(indices):
            places[index] = middles[target] + (place - (len(indices) - 1) / 2) * step
    return places
