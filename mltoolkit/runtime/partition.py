"""Running a graph that has custom layers: onnxruntime sessions between them, Python classes at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.errors import ArgumentError, did_you_mean
from mltoolkit.formats.weight_blob import WeightFolder
from mltoolkit.graph.builder import CUSTOM_DOMAIN
from mltoolkit.graph.captured import inner_nodes, values_read
from mltoolkit.graph.model_graph import ModelGraph
from mltoolkit.runtime.custom_step import CustomStep
from mltoolkit.runtime.session import OrtSession


class _Step(Protocol):
    input_names: list[str]
    output_names: list[str]

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]: ...


class GraphRunner:
    """Runs a whole graph.

    Args:
        graph: the graph.
        taps: names of further values to give out, for instance the activations inside the network.
        threads: threads for one operation; 0 lets onnxruntime use all cores.
        files: weight files that the graph's constants may be views of.

    Raises:
        ArgumentError: the graph has no value of a tap's name.
        UnsupportedModelError: onnxruntime refuses the graph.
    """

    def __init__(
        self,
        graph: ModelGraph,
        *,
        taps: Sequence[str] = (),
        threads: int = 0,
        files: WeightFolder | None = None,
    ) -> None:
        onnx_graph = graph.model.graph
        tapped = [value for value in _find(onnx_graph, taps) if value not in onnx_graph.outputs]
        outputs = [*onnx_graph.outputs, *tapped]
        self.output_names = [value.name or "" for value in outputs]
        self._steps = _plan(graph, outputs, threads, files)

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Every output of the graph and every tap, by name, for inputs by name."""
        values = dict(feeds)
        for step in self._steps:
            values.update(step.run(values))
        return {name: values[name] for name in self.output_names}


def _find(graph: ir.Graph, names: Sequence[str]) -> list[ir.Value]:
    if not names:
        return []
    known = {value.name or "": value for node in graph for value in node.outputs}
    known.update((value.name or "", value) for value in graph.inputs)
    for name in names:
        if name not in known:
            raise ArgumentError(f"the graph has no value {name!r}", fix=did_you_mean(name, known))
    return [known[name] for name in names]


def _plan(graph: ModelGraph, outputs: Sequence[ir.Value], threads: int, files: WeightFolder | None) -> list[_Step]:
    """Sessions and custom layers in the order in which they can run.

    A node's stage is the number of custom layers on the longest way to it; all other nodes of a stage share a session.
    """
    stage_of: dict[ir.Value, int] = {}
    by_stage: dict[int, list[ir.Node]] = {}
    for node in graph.model.graph:
        stage = max((stage_of.get(value, 0) for value in values_read(node)), default=0)
        by_stage.setdefault(stage, []).append(node)
        for value in node.outputs:
            stage_of[value] = stage + (node.domain == CUSTOM_DOMAIN)
    steps: list[_Step] = []
    for stage in sorted(by_stage):
        native = [node for node in by_stage[stage] if node.domain != CUSTOM_DOMAIN]
        if native:
            inside = {*native, *(inner for node in native for inner in inner_nodes(node))}
            read = dict.fromkeys(
                value
                for node in native
                for value in values_read(node)
                if value.const_value is None and value.producer() not in inside
            )
            given = [
                value
                for node in native
                for value in node.outputs
                if value in outputs or any(use.node not in inside for use in value.uses())
            ]
            name = " / ".join(dict.fromkeys(f"output {value.name!r}" for value in given[:3]))
            steps.append(OrtSession(native, list(read), given, threads=threads, name=name, files=files))
        for node in by_stage[stage]:
            if node.domain == CUSTOM_DOMAIN:
                steps.append(CustomStep(node, graph.custom_layers[node.name or ""]))
    return steps
