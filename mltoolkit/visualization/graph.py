"""What a model's picture consists of: nodes, edges and, inside branches, loops and stages, further graphs.

A graph is built in the order of the file. It knows the values that its nodes have made so far; a value of the graph
around it enters through a node of its own, and so does one that leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from numpy.typing import NDArray

from mltoolkit.visualization.weight_values import WeightFigures

Kind = Literal["layer", "input", "output", "stage", "function"]


@dataclass
class WeightView:
    """A weight of a layer.

    Attributes:
        name: the field of the layer, or the argument of the operation.
        shape: its shape.
        storage: in words: ``float16``, ``lookup table 4 bits``.
        bits: bits a value takes in the file, without scales and tables; None where that is not known.
        bytes: what it takes in the file, with scales and tables.
        values: decodes it; None where its values mean something only to a custom layer.
        shared_with: the layer that uses the same bytes and counts them, in words; "" for the first.
        first: the weight of that layer; None for the first.
        figures: what its values are like, once they were looked at.
        sqnr_db: against the original, or as quantization measured it.
        remark: why something of this is missing.
    """

    name: str
    shape: tuple[int, ...]
    storage: str
    bits: int | None
    bytes: int
    values: Callable[[], NDArray[Any]] | None = None
    shared_with: str = ""
    first: WeightView | None = None
    figures: WeightFigures | None = None
    sqnr_db: float | None = None
    remark: str = ""


@dataclass(eq=False)
class Node:
    """A layer, an operation, a stage of a pipeline, a function of a program, or an input or output.

    Attributes:
        name: its name in the file.
        type: its type as the format calls it.
        kind: what it is.
        variant: what is worth knowing of the type: ``ReLU`` of an activation, ``default`` of a function.
        family: one of ``mltoolkit.markup.colours.FAMILIES``.
        parameters: names and values in words.
        weights: its weights.
        class_name: the class of a custom layer, else "".
        description: what the author says of it.
        makes: the values that it makes, and their shapes in words.
        graphs: what is inside it.
    """

    name: str
    type: str
    kind: Kind = "layer"
    variant: str = ""
    family: str = "other"
    parameters: list[tuple[str, str]] = field(default_factory=list)
    weights: list[WeightView] = field(default_factory=list)
    class_name: str = ""
    description: str = ""
    makes: dict[str, str] = field(default_factory=dict)
    graphs: list[LayerGraph] = field(default_factory=list)


@dataclass(eq=False)
class Edge:
    """A value on its way from the node that makes it to one that reads it, with its shape in words."""

    source: Node
    target: Node
    value: str
    shape: str


class LayerGraph:
    """Nodes in the order of the file, and the values that run between them.

    Args:
        title: what it is called where it stands inside a node.
        around: the graph whose values can be read here.

    Attributes:
        nodes: every node once.
        edges: every value once for each node that reads it.
        captured: values of the graph around that are read here.
    """

    def __init__(self, title: str = "", around: LayerGraph | None = None) -> None:
        self.title = title
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []
        self.captured: dict[str, None] = {}
        self._around = around
        self._makers: dict[str, Node] = {}
        self._joined: set[tuple[int, int, str]] = set()
        self._ends: dict[str, Node] = {}

    def add(self, node: Node, reads: Iterable[str] = ()) -> Node:
        """Add a node that reads these values, and then makes its own."""
        sources = [(name, self._maker(name)) for name in reads]
        self.nodes.append(node)
        for name, source in sources:
            if source is not None:
                self._join(source, node, name)
        for name in node.makes:
            self._makers[name] = node
        return node

    def enter(self, name: str, shape: str, kind: str = "input") -> Node:
        """Let a value come in from outside under this name."""
        return self.add(Node(name, kind, "input", makes={name: shape}))

    def leave(self, name: str, shape: str = "", *, value: str = "") -> None:
        """Let a value go out, once: under its own name, or under ``name`` where ``value`` is what it is called here."""
        if name in self._ends:
            return
        source = self._maker(value or name)
        if source is not None:
            end = self._ends[name] = Node(name, "output", "output")
            self.nodes.append(end)
            self._join(source, end, value or name, shape)

    def made(self) -> list[str]:
        """The values made here, also deeper inside, but not those that came in."""
        return [name for name, maker in self._makers.items() if maker.kind != "input"]

    def shape_of(self, name: str) -> str:
        """The shape of a value that can be read here; "" if there is none."""
        maker = self._makers.get(name)
        if maker is not None:
            return maker.makes.get(name, "")
        return self._around.shape_of(name) if self._around is not None else ""

    def knows(self, name: str) -> bool:
        """Whether a value can be read here."""
        return name in self._makers or (self._around is not None and self._around.knows(name))

    def _maker(self, name: str) -> Node | None:
        maker = self._makers.get(name)
        if maker is None and self._around is not None and self._around.knows(name):
            self.captured[name] = None
            maker = self.enter(name, self._around.shape_of(name), "from outside")
        if maker is not None:
            # What was made inside a branch or loop leaves it there only if something reads it.
            for inner in maker.graphs:
                if name in inner._makers and inner._makers[name].kind != "input":
                    inner.leave(name)
        return maker

    def _join(self, source: Node, target: Node, name: str, shape: str = "") -> None:
        key = id(source), id(target), name
        if key not in self._joined:
            self._joined.add(key)
            self.edges.append(Edge(source, target, name, shape or source.makes.get(name, "")))

    def walk(self) -> Iterable[tuple[LayerGraph, Node]]:
        """Every node, those inside a node after it, with the graph it stands in."""
        for node in self.nodes:
            yield self, node
            for inner in node.graphs:
                yield from inner.walk()
