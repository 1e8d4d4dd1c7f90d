"""The operations of an ML Program's function as a graph."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

from mltoolkit.formats.mil_types import StateType, TensorType, read_type
from mltoolkit.formats.ml_program import block_of, operation_name
from mltoolkit.formats.weight_blob import WeightFolder
from mltoolkit.markup.text import shape_text
from mltoolkit.visualization.families import family_of
from mltoolkit.visualization.graph import LayerGraph, Node, WeightView
from mltoolkit.visualization.program_constants import NamedConstant, ProgramConstants, value_text
from mltoolkit.visualization.shapes import RuntimeShapes

_TITLES = {"cond": ("if", "else"), "while_loop": ("condition", "body")}
_FLOAT_BITS = {"float32": 32, "float16": 16, "float64": 64}
_BITS = re.compile(r"(\d+) bits?$")

# By the place of its bytes: the function and layer that were the first to use a weight, and the weight there.
FirstUses = dict[Hashable, tuple[str, str, WeightView]]


def program_graph(
    message: Any,
    function: str,
    graph: LayerGraph,
    shapes: RuntimeShapes,
    weights: WeightFolder,
    first_uses: FirstUses,
) -> None:
    """Put a function's operations into a graph that has its inputs already, and lead its outputs out.

    Args:
        message: the ``Function`` message.
        function: its name.
        graph: where to put them.
        shapes: of the program's values.
        weights: the program's weight files.
        first_uses: of the functions before this one, whose weights it may share; its own are added.
    """
    block = block_of(message, function)
    _Reader(function, shapes, ProgramConstants(weights), first_uses).add(block, graph)
    for name in block.outputs:
        graph.leave(name)


def declared_shape(message: Any) -> str:
    """The shape that a ``ValueType`` message states, in words."""
    described = read_type(message)
    if isinstance(described, StateType):
        described = described.wrapped
    return shape_text(described.shape) if isinstance(described, TensorType) else ""


class _Reader:
    def __init__(
        self, function: str, shapes: RuntimeShapes, constants: ProgramConstants, first_uses: FirstUses
    ) -> None:
        self._function = function
        self._shapes = shapes
        self._constants = constants
        self._first_uses = first_uses

    def add(self, block: Any, graph: LayerGraph) -> None:
        """Put a block's operations into a graph; constants belong to the operations that use them."""
        for operation in block.operations:
            if self._constants.take(operation):
                continue
            name = operation_name(operation)
            known = self._shapes.of_layer(name, operation.type)
            makes = {output.name: known.get(output.name) or declared_shape(output.type) for output in operation.outputs}
            node = Node(name, operation.type, family=family_of(operation.type), makes=makes)
            reads = self._arguments(operation, node)
            for index, inner in enumerate(operation.blocks):
                node.graphs.append(self._inner(operation, index, inner, graph))
                reads += node.graphs[-1].captured
            graph.add(node, reads)

    def _inner(self, operation: Any, index: int, block: Any, around: LayerGraph) -> LayerGraph:
        titles = _TITLES.get(operation.type, ())
        graph = LayerGraph(titles[index] if index < len(titles) else f"block {index + 1}", around)
        with self._constants.block():
            for argument in block.inputs:
                graph.enter(argument.name, declared_shape(argument.type), "loop variable")
            self.add(block, graph)
            for name in block.outputs:
                graph.leave(name)
        return graph

    def _arguments(self, operation: Any, node: Node) -> list[str]:
        """Sort what an operation is given into values that it reads, weights and parameters."""
        reads: list[str] = []
        for argument, given in sorted(operation.inputs.items()):
            texts = []
            for place, binding in enumerate(given.arguments):
                label = argument if len(given.arguments) == 1 else f"{argument}[{place}]"
                if binding.WhichOneof("binding") == "value":
                    texts.append(value_text(binding.value))
                    continue
                constant = self._constants.find(binding.name)
                if constant is None:
                    reads.append(binding.name)
                elif constant.weight is not None:
                    node.weights.append(self._weight(label, constant, node.name))
                else:
                    texts.append(constant.text)
            if texts:
                node.parameters.append((argument, texts[0] if len(texts) == 1 else f"({', '.join(texts[:16])})"))
        for attribute, value in sorted(operation.attributes.items()):
            if attribute != "name":
                node.parameters.append((attribute, value_text(value)))
        return reads

    def _weight(self, label: str, constant: NamedConstant, user: str) -> WeightView:
        stored = constant.weight
        assert stored is not None  # the caller looked
        bits = _BITS.search(stored.storage)
        weight = WeightView(
            label,
            constant.shape,
            stored.storage,
            int(bits[1]) if bits else _FLOAT_BITS.get(stored.storage.rpartition(" ")[2]),
            stored.bytes,
            values=constant.decoded if constant.values is not None else None,
            remark=constant.remark,
        )
        function, layer, first = self._first_uses.setdefault(constant.place, (self._function, user, weight))
        if first is not weight:
            weight.first = first
            weight.shared_with = layer if function == self._function else f"{layer} of {function}"
        return weight
