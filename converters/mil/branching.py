"""If: one of two bodies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import onnx_ir as ir

from mltoolkit.converters.mil.registry import writes
from mltoolkit.converters.mil.selection import selected
from mltoolkit.converters.mil.sizes import is_known
from mltoolkit.converters.mil.tensor_sequence import TensorSequence

if TYPE_CHECKING:
    from mltoolkit.converters.mil.context import NodeContext


@writes("If")
def write_if(node: NodeContext) -> Any:
    """The body chosen by a constant is written alone; else MIL's ``cond``.

    The bodies have no side effects. So where a neural network's branch cannot give what it is not itself made of
    (constants, values from outside), both are computed and one is chosen.
    """
    bodies: list[ir.Graph] = [node.attribute("then_branch"), node.attribute("else_branch")]
    condition = node.constant(0)
    if condition is not None:
        return node.subgraph(bodies[0 if condition.reshape(-1)[0] else 1], [])
    predicate = node.input(0)
    if predicate.rank:
        predicate = node.mb.squeeze(x=predicate, axes=list(range(predicate.rank)))
    if node.is_network:
        return _chosen(node, predicate, [node.subgraph(body, []) for body in bodies])

    def branch(body: ir.Graph) -> Any:
        results = node.subgraph(body, [])
        if any(isinstance(result, TensorSequence) for result in results):
            node.refuse("its bodies give sequences", "If of tensors")
        # A block's result must be made in it.
        return tuple(node.mb.identity(x=result) for result in results)

    results = node.mb.cond(pred=predicate, _true_fn=lambda: branch(bodies[0]), _false_fn=lambda: branch(bodies[1]))
    return results if isinstance(results, (list, tuple)) else [results]


def _chosen(node: NodeContext, predicate: Any, results: Sequence[Sequence[Any]]) -> list[Any]:
    """The results of one of two bodies that were both computed."""
    values = []
    for first, second in zip(*results, strict=True):
        if isinstance(first, TensorSequence) or isinstance(second, TensorSequence):
            node.refuse("its bodies give sequences", "If of tensors")
        shapes = [tuple(value.shape) for value in (first, second)]
        if shapes[0] != shapes[1] or not all(is_known(size) for size in shapes[0]):
            node.refuse(f"its bodies give values of the shapes {shapes[0]} and {shapes[1]}", "format='mlpackage'")
        values.append(selected(node, predicate, first, second))
    return values
