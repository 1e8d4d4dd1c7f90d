"""How nodes of a graph are run: onnxruntime sessions for what ONNX knows, Python classes for custom layers."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any, Protocol

import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.formats.weight_blob import WeightFolder
from mltoolkit.graph.builder import CUSTOM_DOMAIN
from mltoolkit.graph.captured import inner_nodes, values_read
from mltoolkit.graph.model_graph import CustomNode
from mltoolkit.runtime.custom_step import CustomStep
from mltoolkit.runtime.session import OrtSession


class Step(Protocol):
    """Some nodes that run at once.

    Attributes:
        input_names: the values that they take from before.
        output_names: the values that they give.
    """

    input_names: list[str]
    output_names: list[str]

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The outputs by name, for values by name."""
        ...


def plan_steps(
    nodes: Sequence[ir.Node],
    outputs: Container[ir.Value],
    custom_layers: Mapping[str, CustomNode],
    *,
    threads: int,
    files: WeightFolder | None = None,
    keep_memory: bool = True,
) -> list[Step]:
    """Sessions and custom layers in the order in which they can run.

    A node's stage is the number of custom layers on the longest way to it from the first of the nodes; all other
    nodes of a stage share a session. Besides ``outputs`` the steps give what nodes elsewhere in the graph read.

    Args:
        nodes: a graph's nodes or some of them, in topological order.
        outputs: values that are wanted whoever reads them.
        custom_layers: the custom layers by the name of their node.
        threads: threads for one operation; 0 lets onnxruntime use all cores.
        files: weight files that constants may be views of.
        keep_memory: whether sessions keep what their largest run took, for the next run; many sessions of one graph
            would keep all its values.

    Raises:
        UnsupportedModelError: onnxruntime refuses the nodes.
    """
    stage_of: dict[ir.Value, int] = {}
    by_stage: dict[int, list[ir.Node]] = {}
    for node in nodes:
        stage = max((stage_of.get(value, 0) for value in values_read(node)), default=0)
        by_stage.setdefault(stage, []).append(node)
        for value in node.outputs:
            stage_of[value] = stage + (node.domain == CUSTOM_DOMAIN)
    steps: list[Step] = []
    for stage in sorted(by_stage):
        native = [node for node in by_stage[stage] if node.domain != CUSTOM_DOMAIN]
        if native:
            steps.append(_session(native, outputs, threads, files, keep_memory))
        for node in by_stage[stage]:
            if node.domain == CUSTOM_DOMAIN:
                steps.append(CustomStep(node, custom_layers[node.name or ""]))
    return steps


def _session(
    nodes: Sequence[ir.Node],
    outputs: Container[ir.Value],
    threads: int,
    files: WeightFolder | None,
    keep_memory: bool,
) -> OrtSession:
    inside = {*nodes, *(inner for node in nodes for inner in inner_nodes(node))}
    read = dict.fromkeys(
        value
        for node in nodes
        for value in values_read(node)
        if value.const_value is None and value.producer() not in inside
    )
    given = [
        value
        for node in nodes
        for value in node.outputs
        if value in outputs or any(use.node not in inside for use in value.uses())
    ]
    name = " / ".join(dict.fromkeys(f"output {value.name!r}" for value in given[:3]))
    return OrtSession(nodes, list(read), given, threads=threads, name=name, files=files, keep_memory=keep_memory)
