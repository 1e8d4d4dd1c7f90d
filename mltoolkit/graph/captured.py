"""What a node with a body (If, Loop) reads from the graph around it."""

from __future__ import annotations

from collections.abc import Iterator

import onnx_ir as ir


def bodies(node: ir.Node) -> list[ir.Graph]:
    """The graphs inside a node."""
    return [
        attribute.as_graph()
        for attribute in node.attributes.values()
        if isinstance(attribute, ir.Attr) and attribute.type == ir.AttributeType.GRAPH
    ]


def inner_nodes(node: ir.Node) -> Iterator[ir.Node]:
    """The nodes of a node's bodies, at any depth."""
    for body in bodies(node):
        for inner in body:
            yield inner
            yield from inner_nodes(inner)


def values_read(node: ir.Node) -> list[ir.Value]:
    """A node's inputs, and what its bodies use of values that are made outside them."""
    read = [value for value in node.inputs if value is not None]
    for body in bodies(node):
        made = {*body.inputs, *(value for inner in body for value in inner.outputs)}
        for inner in body:
            read += [value for value in values_read(inner) if value not in made]
    return read
