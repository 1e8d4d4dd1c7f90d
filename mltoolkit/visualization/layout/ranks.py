"""Ranks, and the points by which long edges pass the ranks between their ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# Beyond this many passing points edges are drawn straight: a hostile graph would have them by the million.
_MAX_POINTS = 60_000


@dataclass
class Ranked:
    """Nodes and passing points by rank.

    Attributes:
        rank: of every vertex: first the nodes, then the passing points.
        nodes: how many of the vertices are nodes.
        above: the vertices that each vertex is joined to one rank above.
        below: likewise, one rank below.
        routes: for each edge the vertices that it runs through, ends included; only its ends where it is drawn
            straight.
    """

    rank: list[int]
    nodes: int
    above: list[list[int]]
    below: list[list[int]]
    routes: list[list[int]]


def rank_nodes(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """A rank for each node, so that every edge leads down.

    A node stands right below the lowest node that it reads from; one that reads from none, right above the highest
    node that reads it.

    Args:
        count: number of nodes.
        edges: pairs (from, to) with from < to.
    """
    rank = [0] * count
    for source, target in sorted(edges, key=lambda edge: edge[1]):
        rank[target] = max(rank[target], rank[source] + 1)
    read = {target for _, target in edges}
    highest: dict[int, int] = {}
    for source, target in edges:
        highest[source] = min(highest.get(source, rank[target]), rank[target])
    for node in range(count):
        if node not in read and node in highest:
            rank[node] = highest[node] - 1
    lowest = min(rank, default=0)
    return [value - lowest for value in rank]


def pass_ranks(rank: Sequence[int], edges: Sequence[tuple[int, int]]) -> Ranked:
    """Give the edges of each node that lead further than one rank a common chain of passing points."""
    ranks = list(rank)
    above: list[list[int]] = [[] for _ in ranks]
    below: list[list[int]] = [[] for _ in ranks]
    chains: dict[int, list[int]] = {}
    routes = []
    for source, target in edges:
        chain = chains.setdefault(source, [source])
        span = ranks[target] - ranks[source]
        if span > len(chain) and len(ranks) + span - len(chain) > len(rank) + _MAX_POINTS:
            routes.append([source, target])
            continue
        while len(chain) < span:
            above.append([chain[-1]])
            below.append([])
            below[chain[-1]].append(len(ranks))
            ranks.append(ranks[chain[-1]] + 1)
            chain.append(len(ranks) - 1)
        last = chain[span - 1]
        if last not in above[target]:
            above[target].append(last)
            below[last].append(target)
        routes.append([*chain[:span], target])
    return Ranked(ranks, len(rank), above, below, routes)
