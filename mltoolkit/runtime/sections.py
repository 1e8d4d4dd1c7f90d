"""Running a graph from one node to the next for many samples, so that what lies before a node runs only once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.errors import ArgumentError
from mltoolkit.formats.weight_blob import WeightFolder
from mltoolkit.graph.captured import inner_nodes, values_read
from mltoolkit.graph.model_graph import ModelGraph
from mltoolkit.runtime.activations import ActivationStore
from mltoolkit.runtime.cores import available_cores
from mltoolkit.runtime.side_by_side import in_order
from mltoolkit.runtime.steps import Step, plan_steps

_T = TypeVar("_T")


class SectionedRun:
    """A run of many samples through a graph that stops in front of chosen nodes.

    In front of a stop everything is alive that the stop or a later node reads. The nodes of a section, and their
    constants, are looked at when the section is run: until then the caller may replace constants, or insert nodes.

    Args:
        graph: the graph.
        stops: nodes of the graph in its order, each once.
        feeds: for each sample the graph's inputs by name (states included). It is read again as long as an input
            is alive: a sequence may make its items anew each time.
        memory: how many bytes of activations stay in memory; what is beyond goes to a temporary file.
        threads: how many samples run side by side, each in one thread; by default one a core.
        files: weight files that the graph's constants may be views of.

    Attributes:
        threads: see above.

    Raises:
        ArgumentError: the stops are no nodes of the graph, or not in its order.
    """

    def __init__(
        self,
        graph: ModelGraph,
        stops: Sequence[ir.Node],
        feeds: Sequence[Mapping[str, NDArray[Any]]],
        *,
        memory: int = 128 << 20,
        threads: int | None = None,
        files: WeightFolder | None = None,
    ) -> None:
        self._graph = graph
        self._stops = list(stops)
        self._feeds = feeds
        self._files = files
        self.threads = threads or available_cores()
        self._store = ActivationStore(len(feeds), memory)
        self._done: set[ir.Node] = set()
        self._alive: dict[str, ir.Value] = {}
        self._inputs = {value.name or "": value for value in graph.model.graph.inputs}
        self._position = -1
        self._own: tuple[tuple[Any, ...], list[Step], list[str]] | None = None
        self._check_stops()

    def _check_stops(self) -> None:
        order = {node: index for index, node in enumerate(self._graph.model.graph)}
        places = [order.get(stop, -1) for stop in self._stops]
        if -1 in places:
            raise ArgumentError(f"{self._stops[places.index(-1)].name!r} is no node of the graph's main part")
        if any(first >= second for first, second in itertools.pairwise(places)):
            raise ArgumentError("the stops are not in the order of the graph, or one is named twice")

    @property
    def samples(self) -> int:
        """How many samples there are."""
        return len(self._feeds)

    @property
    def stop(self) -> ir.Node | None:
        """The node that the run has stopped in front of; None before the first :meth:`advance` and at the end."""
        return self._stops[self._position] if 0 <= self._position < len(self._stops) else None

    @property
    def finished(self) -> bool:
        """Whether the outputs are there."""
        return self._position >= len(self._stops)

    @property
    def held(self) -> int:
        """How many bytes of activations are in memory."""
        return self._store.held

    def advance(self) -> ir.Node | None:
        """Run every sample to the next stop, or after the last one to the outputs.

        Returns:
            The stop; None at the end.

        Raises:
            ArgumentError: the run is at its end.
            PredictionError: the model failed.
        """
        if self.finished:
            raise ArgumentError("the run is at its end")
        self._position += 1
        self._own = None
        section = self._section(self.stop)
        alive = self._alive_after(section)
        steps = plan_steps(section, set(alive.values()), self._graph.custom_layers, threads=1, files=self._files)
        self._store.new_file()

        def run(sample: int) -> None:
            made = self._run(steps, sample)
            fresh = {name: array for name, array in made.items() if name in alive}
            self._store.replace(sample, fresh, alive)

        for _ in self.each_sample(run):
            pass
        return self.stop

    def each_sample(self, function: Callable[[int], _T]) -> Iterator[_T]:
        """``function`` of every sample's number, some side by side; the results in order."""
        return in_order(function, range(self.samples), self.threads)

    def value(self, name: str, sample: int) -> NDArray[Any]:
        """An array that is alive at the stop, not to be changed.

        Raises:
            ArgumentError: no such value is alive.
        """
        if self._store.has(sample, name):
            return self._store.get(sample, name)
        if name in self._inputs:
            return self._feeds[sample][name]
        raise ArgumentError(f"the graph has no value {name!r} that is alive here")

    def node_outputs(self, sample: int) -> tuple[NDArray[Any], ...]:
        """What the stop itself gives, with the constants that it has now, also where nothing reads it.

        Raises:
            ArgumentError: the run has not stopped in front of a node.
            PredictionError: the node failed.
        """
        if self.stop is None:
            raise ArgumentError("the run has not stopped in front of a node")
        constants = tuple(value.const_value for value in values_read(self.stop))
        if self._own is None or any(a is not b for a, b in itertools.zip_longest(self._own[0], constants)):
            node = self.stop if all(value.name for value in self.stop.outputs) else _with_named_outputs(self.stop)
            steps = plan_steps([node], node.outputs, self._graph.custom_layers, threads=1, files=self._files)
            self._own = constants, steps, [value.name or "" for value in node.outputs]
        made = self._run(self._own[1], sample)
        return tuple(made[name] for name in self._own[2])

    def outputs(self, sample: int) -> dict[str, NDArray[Any]]:
        """The graph's outputs by name.

        Raises:
            ArgumentError: the run is not at its end.
        """
        if not self.finished:
            raise ArgumentError("the run is not at its end", fix="Call advance() until finished")
        names = [value.name or "" for value in self._graph.model.graph.outputs]
        return {name: self.value(name, sample) for name in names}

    def _section(self, stop: ir.Node | None) -> list[ir.Node]:
        nodes: list[ir.Node] = []
        for node in self._graph.model.graph:
            if node is stop:
                break
            if node not in self._done:
                nodes.append(node)
        return nodes

    def _alive_after(self, section: Sequence[ir.Node]) -> dict[str, ir.Value]:
        """What later nodes read, and the graph's outputs, of all that is made until then."""
        for node in section:
            self._done.update((node, *inner_nodes(node)))
        outputs = set(self._graph.model.graph.outputs)
        made = [*self._alive.values(), *(value for node in section for value in node.outputs)]
        self._alive = {
            value.name or "": value
            for value in made
            if value in outputs or any(use.node not in self._done for use in value.uses())
        }
        return self._alive

    def _run(self, steps: Sequence[Step], sample: int) -> dict[str, NDArray[Any]]:
        made: dict[str, NDArray[Any]] = {}
        for step in steps:
            given = {name: made[name] if name in made else self.value(name, sample) for name in step.input_names}
            made.update(step.run(given))
        return made


def _with_named_outputs(node: ir.Node) -> ir.Node:
    """A copy of a node, some of whose outputs nothing reads, that gives them all; its inputs are copies too."""
    inputs = [
        None
        if value is None
        else ir.Value(name=value.name, type=value.type, shape=value.shape, const_value=value.const_value)
        for value in node.inputs
    ]
    outputs = [
        ir.Value(name=value.name or f"{node.name}/unused {index}", type=value.type or ir.TensorType(ir.DataType.FLOAT))
        for index, value in enumerate(node.outputs)
    ]
    return ir.Node(node.domain, node.op_type, inputs, list(node.attributes.values()), outputs=outputs, name=node.name)
