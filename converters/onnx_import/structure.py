"""Names and order of the nodes of an ONNX file."""

from __future__ import annotations

from collections.abc import Iterator

import onnx
import onnx_ir as ir

from mltoolkit.errors import InvalidModelError


def check_names(proto: onnx.ModelProto, where: str) -> None:
    """Every value has one maker.

    Raises:
        InvalidModelError: a name is given twice, or a function calls itself.
    """
    _check_graph(proto.graph, where)
    for function in proto.functions:
        _check_unique([*function.input, *_node_outputs(function.node)], f"{where}, function {function.name!r}")
    _check_recursion(proto, where)


def _check_graph(graph: onnx.GraphProto, where: str) -> None:
    inputs = [value.name for value in graph.input]
    # An initializer may give an input its default.
    weights = [tensor.name for tensor in graph.initializer]
    _check_unique(inputs, where)
    _check_unique(weights, where)
    _check_unique([*dict.fromkeys((*inputs, *weights)), *_node_outputs(graph.node)], where)
    _check_unique([value.name for value in graph.output], where)
    for body in _bodies(graph.node):
        _check_graph(body, where)


def _node_outputs(nodes: object) -> list[str]:
    return [name for node in nodes for name in node.output if name]  # type: ignore[attr-defined]


def _bodies(nodes: object) -> Iterator[onnx.GraphProto]:
    for node in nodes:  # type: ignore[attr-defined]
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield attribute.g
            yield from attribute.graphs


def _check_unique(names: list[str], where: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InvalidModelError(f"the name {name!r} is given to two values", where=where)
        seen.add(name)


def _check_recursion(proto: onnx.ModelProto, where: str) -> None:
    calls = {
        (function.domain, function.name): {(node.domain, node.op_type) for node in _all_nodes(function.node)}
        for function in proto.functions
    }
    done: set[tuple[str, str]] = set()

    def visit(key: tuple[str, str], path: tuple[tuple[str, str], ...]) -> None:
        if key in path:
            raise InvalidModelError(f"the function {key[1]!r} calls itself", where=where)
        if key in done or key not in calls:
            return
        for called in calls[key]:
            visit(called, (*path, key))
        done.add(key)

    for key in calls:
        visit(key, ())


def _all_nodes(nodes: object) -> Iterator[onnx.NodeProto]:
    for node in nodes:  # type: ignore[attr-defined]
        yield node
        for body in _bodies([node]):
            yield from _all_nodes(body.node)


def sort_graphs(model: ir.Model, where: str) -> None:
    """Put nodes behind what they read; graphs that are in order stay as they are.

    Raises:
        InvalidModelError: nodes wait for each other.
    """
    graphs: list[ir.Graph | ir.Function] = [model.graph, *model.functions.values()]
    for graph in graphs:
        if _in_order(graph):
            continue
        try:
            graph.sort()
        except ValueError as error:
            raise InvalidModelError("the graph has a cycle: nodes wait for each other", where=where) from error


def _in_order(graph: ir.Graph | ir.Function) -> bool:
    made: set[ir.Value] = set()
    nodes = set(graph)
    for node in graph:
        for inner in (node, *_inner(node)):
            for value in inner.inputs:
                producer = None if value is None else value.producer()
                if producer is not None and producer in nodes and value not in made:
                    return False
        made.update(node.outputs)
    return True


def _inner(node: ir.Node) -> Iterator[ir.Node]:
    for attribute in node.attributes.values():
        if not attribute.is_ref() and attribute.type == ir.AttributeType.GRAPH:
            for inner in attribute.as_graph():
                yield inner
                yield from _inner(inner)
