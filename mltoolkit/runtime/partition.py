"""Running a graph that has custom layers: onnxruntime sessions between them, Python classes at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.errors import ArgumentError, did_you_mean
from mltoolkit.formats.weight_blob import WeightFolder
from mltoolkit.graph.model_graph import ModelGraph
from mltoolkit.runtime.steps import plan_steps


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
        self._steps = plan_steps(list(onnx_graph), outputs, graph.custom_layers, threads=threads, files=files)

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
