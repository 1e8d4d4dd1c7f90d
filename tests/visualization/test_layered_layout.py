"""The layout: nothing overlaps, every line leads down from its source to its target, chains are straight."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mltoolkit.visualization.layout.layered import Drawing, draw
from mltoolkit.visualization.layout.order import order_ranks
from mltoolkit.visualization.layout.ranks import pass_ranks, rank_nodes

Edges = list[tuple[int, int]]
Sizes = list[tuple[float, float]]


@st.composite
def graphs(draw_one: st.DrawFn) -> tuple[Sizes, Edges]:
    count = draw_one(st.integers(1, 24))
    sizes = draw_one(st.lists(st.tuples(st.floats(10, 300), st.floats(10, 200)), min_size=count, max_size=count))
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1))
    chosen = draw_one(st.lists(pairs, max_size=60))
    # Several values may run between the same two nodes.
    return sizes, [(min(pair), max(pair)) for pair in chosen if pair[0] != pair[1]]


def check(sizes: Sizes, edges: Edges, drawing: Drawing) -> None:
    boxes = [(x, y, x + w, y + h) for (x, y), (w, h) in zip(drawing.corners, sizes, strict=True)]
    near = 1e-6  # pixels; sums of floats in another order
    for left, top, right, bottom in boxes:
        assert left >= -near and top >= -near
        assert right <= drawing.width + near and bottom <= drawing.height + near
    for one, other in itertools.combinations(boxes, 2):
        apart = (
            one[2] <= other[0] + near
            or other[2] <= one[0] + near
            or one[3] <= other[1] + near
            or other[3] <= one[1] + near
        )
        assert apart, (one, other)
    for (source, target), line in zip(edges, drawing.lines, strict=True):
        start, end = boxes[source], boxes[target]
        assert line[0] == (pytest.approx((start[0] + start[2]) / 2), pytest.approx(start[3]))
        assert start[3] < end[1]
        assert end[0] <= line[-1][0] <= end[2] and line[-1][1] == pytest.approx(end[1])
        assert all(y1 >= y0 for (_, y0), (_, y1) in itertools.pairwise(line))
        # Where a line passes a rank, it runs straight down beside the rank's nodes.
        for (x0, y0), (x1, y1) in zip(line[1:-1:2], line[2:-1:2], strict=True):
            assert x0 == x1
            for left, top, right, bottom in boxes:
                assert not (left + near < x0 < right - near and top < y1 - near and y0 < bottom - near)


@settings(deadline=None, max_examples=150)
@given(graphs())
def test_any_graph_is_drawn_without_overlaps(graph: tuple[Sizes, Edges]) -> None:
    sizes, edges = graph
    check(sizes, edges, draw(sizes, edges))


def test_nothing_is_drawn_of_nothing() -> None:
    assert draw([], []) == Drawing([], [], 0.0, 0.0)


def test_a_chain_is_one_straight_line() -> None:
    sizes = [(40.0 + 20 * (index % 5), 46.0) for index in range(50)]
    drawing = draw(sizes, [(index, index + 1) for index in range(49)])
    assert len({round(x, 6) for line in drawing.lines for x, _ in line}) == 1


def test_a_shortcut_passes_beside_what_it_skips() -> None:
    drawing = draw([(100.0, 40.0)] * 4, [(0, 1), (1, 2), (2, 3), (0, 3)])
    # The chain stays straight where nothing forces it aside.
    assert drawing.corners[1][0] == drawing.corners[2][0]
    assert len(drawing.lines[3]) == 6


def test_what_reads_nothing_stands_above_its_reader() -> None:
    # 3 is a constant that only 4 reads.
    rank = rank_nodes(5, [(0, 1), (1, 2), (2, 4), (3, 4)])
    assert rank == [0, 1, 2, 2, 3]


def test_readers_of_one_value_share_its_passing_points() -> None:
    edges = [(0, 1), (1, 2), (2, 3), (3, 4), (0, 3), (0, 4)]
    ranked = pass_ranks(rank_nodes(5, edges), edges)
    assert len(ranked.rank) - ranked.nodes == 3
    assert ranked.routes[5][:3] == ranked.routes[4][:3]


def _crossings(rows: list[list[int]], edges: Edges) -> int:
    place = {node: index for row in rows for index, node in enumerate(row)}
    return sum((place[a] - place[c]) * (place[b] - place[d]) < 0 for (a, b), (c, d) in itertools.combinations(edges, 2))


def test_a_ladder_with_exchanged_rungs_is_untangled() -> None:
    # Two ranks joined one to one in a seeded random order have a drawing without crossings.
    order = np.random.default_rng(1).permutation(12)
    edges = [(index, 12 + int(other)) for index, other in enumerate(order)]
    assert _crossings(order_ranks(pass_ranks(rank_nodes(24, edges), edges)), edges) == 0


@pytest.mark.parametrize("count", [1000, 10_000])
def test_time_grows_with_the_graph(count: int) -> None:
    rng = np.random.default_rng(0)
    edges = [(max(0, index - 1 - int(rng.geometric(0.5))), index) for index in range(1, count)]
    edges += [(index, index + 9) for index in range(0, count - 9, 8)]
    start = time.perf_counter()
    drawing = draw([(120.0, 46.0)] * count, edges)
    seconds = time.perf_counter() - start
    assert len(drawing.corners) == count
    # 0.1 and 2 s on an idle core; a quadratic step would take minutes.
    assert seconds < count / 500, f"{seconds:.2f} s"


def test_a_hostile_graph_does_not_take_for_ever() -> None:
    # Every node reads the first hundred: millions of passing points if all were made.
    count = 3000
    edges = [(source, target) for target in range(1, count) for source in {target - 1, target % 97} if source < target]
    start = time.perf_counter()
    drawing = draw([(100.0, 40.0)] * count, edges)
    seconds = time.perf_counter() - start
    assert len(drawing.lines) == len(edges)
    assert seconds < 30, f"{seconds:.1f} s"
