"""Where everything of a model's graph is drawn: nodes, what is inside them, edges and their labels."""

from __future__ import annotations

from dataclasses import dataclass

from mltoolkit.markup.text import shown
from mltoolkit.visualization.graph import Edge, LayerGraph, Node
from mltoolkit.visualization.layout.layered import Point, draw

#: Longest names on a node and on an edge, in characters.
NAME_LENGTH = 32
LABEL_LENGTH = 34
# Widths of characters in DejaVu Sans, measured in Chromium; the fonts of other systems are narrower.
_NARROW, _WIDE = frozenset("iljtfrI.,:;'|!()[]/ -·"), frozenset("mwMWQOGD@%…")
_NAME_WIDTHS, _TYPE_WIDTHS = (5.2, 8.5, 11.6), (4.1, 6.8, 9.6)
_LABEL_CHARACTER = 6.6
_LAYER_HEIGHT, _END_HEIGHT, _HEADER = 46.0, 30.0, 48.0
_NARROWEST, _PADDING = 104.0, 34.0
_FRAME_TITLE, _FRAME_PADDING, _FRAME_GAP = 24.0, 16.0, 16.0
_LABEL_HEIGHT = 13.0


@dataclass(frozen=True)
class PlacedNode:
    """A node's box: upper left corner, width and height in pixels."""

    node: Node
    x: float
    y: float
    width: float
    height: float
    parent: Node | None


@dataclass(frozen=True)
class PlacedEdge:
    """An edge's line, and the middle of its label."""

    edge: Edge
    line: tuple[Point, ...]
    label: Point


@dataclass(frozen=True)
class Frame:
    """The box around a graph inside a node."""

    title: str
    owner: Node
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Picture:
    """Everything in the order in which it is drawn: a node before what is inside it."""

    nodes: list[PlacedNode]
    edges: list[PlacedEdge]
    frames: list[Frame]
    width: float
    height: float


def make_picture(graph: LayerGraph, parent: Node | None = None) -> Picture:
    """Lay out a graph and all graphs inside it."""
    inner = [[make_picture(one, node) for one in node.graphs] for node in graph.nodes]
    sizes = [_size(node, inside) for node, inside in zip(graph.nodes, inner, strict=True)]
    index = {id(node): place for place, node in enumerate(graph.nodes)}
    order, ends = _top_down([(index[id(edge.source)], index[id(edge.target)]) for edge in graph.edges], len(sizes))
    drawing = draw([sizes[place] for place in order], ends)
    picture = Picture([], [], [], drawing.width, drawing.height)
    for place, (x, y) in sorted(zip(order, drawing.corners, strict=True)):
        node = graph.nodes[place]
        if node.kind == "function":
            y = 0.0  # functions are of unequal height, and nothing leads from one to the other
        picture.nodes.append(PlacedNode(node, x, y, *sizes[place], parent))
        _put_inside(picture, node, inner[place], x, y)
    labels = _Labels()
    picture.edges.extend(
        PlacedEdge(edge, tuple(line), labels.place(edge, line))
        for edge, line in zip(graph.edges, drawing.lines, strict=True)
    )
    return picture


def _top_down(edges: list[tuple[int, int]], count: int) -> tuple[list[int], list[tuple[int, int]]]:
    """The nodes in an order in which each comes after those that it reads from, and the edges in their terms."""
    missing = [0] * count
    readers: list[list[int]] = [[] for _ in range(count)]
    for source, target in edges:
        missing[target] += 1
        readers[source].append(target)
    order = [node for node in range(count) if not missing[node]]
    for node in order:
        for reader in readers[node]:
            missing[reader] -= 1
            if not missing[reader]:
                order.append(reader)
    place = {node: position for position, node in enumerate(order)}
    return order, [(place[source], place[target]) for source, target in edges]


def _size(node: Node, inside: list[Picture]) -> tuple[float, float]:
    name, kind = _width(short_name(node), _NAME_WIDTHS), _width(type_line(node), _TYPE_WIDTHS)
    if node.kind in ("input", "output"):
        return max(64.0, name + 24.0), _END_HEIGHT
    width = max(_NARROWEST, _PADDING + max(name, kind))
    if not inside:
        return width, _LAYER_HEIGHT
    frames = sum(picture.width + 2 * _FRAME_PADDING for picture in inside) + _FRAME_GAP * (len(inside) + 1)
    tallest = max(_title_height(graph) + picture.height for graph, picture in zip(node.graphs, inside, strict=True))
    tallest += 2 * _FRAME_PADDING
    return max(width, frames), _HEADER + tallest + _FRAME_GAP


def _width(text: str, widths: tuple[float, float, float]) -> float:
    narrow, usual, wide = widths
    return sum(narrow if character in _NARROW else wide if character in _WIDE else usual for character in text)


def short_name(node: Node) -> str:
    """The first line on a node; of a long name mostly the end, for many begin alike."""
    return shown(node.name, NAME_LENGTH, 0.7)[: 2 * NAME_LENGTH]


def type_line(node: Node) -> str:
    """The second line on a node."""
    if node.class_name:
        return shown(f"custom · {node.class_name}", NAME_LENGTH)
    return shown(f"{node.type} · {node.variant}" if node.variant else node.type, NAME_LENGTH)


def _put_inside(picture: Picture, node: Node, inside: list[Picture], x: float, y: float) -> None:
    left, top = x + _FRAME_GAP, y + _HEADER
    for graph, inner in zip(node.graphs, inside, strict=True):
        title = _title_height(graph)
        width, height = inner.width + 2 * _FRAME_PADDING, title + inner.height + 2 * _FRAME_PADDING
        picture.frames.append(Frame(graph.title, node, left, top, width, height))
        _move_into(picture, inner, left + _FRAME_PADDING, top + title + _FRAME_PADDING)
        left += width + _FRAME_GAP


def _title_height(graph: LayerGraph) -> float:
    return _FRAME_TITLE if graph.title else 0.0


def _move_into(picture: Picture, inner: Picture, x: float, y: float) -> None:
    picture.frames.extend(Frame(f.title, f.owner, f.x + x, f.y + y, f.width, f.height) for f in inner.frames)
    picture.nodes.extend(PlacedNode(n.node, n.x + x, n.y + y, n.width, n.height, n.parent) for n in inner.nodes)
    picture.edges.extend(
        PlacedEdge(e.edge, tuple((a + x, b + y) for a, b in e.line), (e.label[0] + x, e.label[1] + y))
        for e in inner.edges
    )


class _Labels:
    """Finds places for labels where none stands yet."""

    def __init__(self) -> None:
        self._rows: dict[int, list[tuple[float, float]]] = {}

    def place(self, edge: Edge, line: list[Point]) -> Point:
        """The middle of an edge's label, on the last piece of its line."""
        width = min(len(shown(edge.shape, LABEL_LENGTH)), LABEL_LENGTH) * _LABEL_CHARACTER + 6
        options = [_on_curve(line[-2], line[-1], share) for share in (0.5, 0.24, 0.76)]
        best = next((option for option in options if self._is_free(option, width)), options[0])
        self._rows.setdefault(int(best[1] // _LABEL_HEIGHT), []).append((best[0] - width / 2, best[0] + width / 2))
        return best

    def _is_free(self, middle: Point, width: float) -> bool:
        row = int(middle[1] // _LABEL_HEIGHT)
        low, high = middle[0] - width / 2, middle[0] + width / 2
        return not any(low < right and left < high for left, right in self._rows.get(row, ())[-64:])


def _on_curve(start: Point, end: Point, share: float) -> Point:
    """A point of the curve that leaves ``start`` and reaches ``end`` straight downwards."""
    rest = 1 - share
    ends, middles = rest**3 + 3 * rest**2 * share, share**3 + 3 * rest * share**2
    half = (start[1] + end[1]) / 2
    down = rest**3 * start[1] + 3 * rest * share * half + share**3 * end[1]
    return start[0] * ends + end[0] * middles, down
