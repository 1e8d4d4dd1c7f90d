"""The part of a graph between values that are given and one that is wanted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.formats.weight_blob import WeightFolder
from mltoolkit.graph.captured import values_read
from mltoolkit.graph.model_graph import ModelGraph
from mltoolkit.runtime.steps import Step, plan_steps


class Segment:
    """Computes one value of a graph from others.

    Its sessions are made for the first run and keep no memory between runs; runs in several threads may overlap.

    Args:
        graph: the graph.
        wanted: an output of one of its nodes, or one of its inputs.
        given: whether the way back from ``wanted`` ends at a value, as it always does at the graph's inputs. It is
            asked of every value on the way, ``wanted`` too.
        files: weight files that the graph's constants may be views of.

    Attributes:
        wanted: the wanted value's name.
        reads: names of the values that have to be fed: given ones, and inputs of the graph.
    """

    def __init__(
        self,
        graph: ModelGraph,
        wanted: ir.Value,
        given: Callable[[ir.Value], bool],
        *,
        files: WeightFolder | None = None,
    ) -> None:
        self.wanted = wanted.name or ""
        self._value = wanted
        self._nodes, reads = _way_back(wanted, given)
        self.reads = tuple(value.name or "" for value in reads)
        self._graph = graph
        self._files = files
        self._steps: list[Step] | None = None
        self._lock = threading.Lock()

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """The wanted value.

        Args:
            feeds: at least ``reads``, by name.

        Raises:
            UnsupportedModelError: onnxruntime refuses the nodes.
            PredictionError: the nodes failed.
        """
        with self._lock:
            if self._steps is None:
                self._steps = plan_steps(
                    self._nodes,
                    {self._value},
                    self._graph.custom_layers,
                    threads=1,
                    files=self._files,
                    keep_memory=False,
                )
        values = {name: feeds[name] for name in self.reads}
        for step in self._steps:
            values.update(step.run(values))
        return values[self.wanted]


def _way_back(wanted: ir.Value, given: Callable[[ir.Value], bool]) -> tuple[list[ir.Node], list[ir.Value]]:
    """The nodes that make a value, in an order in which they can run, and what they read from outside but constants."""
    nodes: dict[ir.Node, None] = {}
    reads: dict[ir.Value, None] = {}

    def makers(values: Iterable[ir.Value]) -> Iterator[ir.Node]:
        for value in values:
            maker = value.producer()
            if not given(value) and maker is not None:
                yield maker
            elif value.const_value is None:
                reads[value] = None

    # Depth first; a node is done when all that it reads is. No recursion: graphs are deeper than Python's stack.
    ways: list[tuple[ir.Node | None, Iterator[ir.Node]]] = [(None, makers([wanted]))]
    entered: set[ir.Node] = set()
    while ways:
        node, before = ways[-1]
        following = next((maker for maker in before if maker not in entered), None)
        if following is not None:
            entered.add(following)
            ways.append((following, makers(values_read(following))))
        else:
            ways.pop()
            if node is not None:
                nodes[node] = None
    return list(nodes), list(reads)
