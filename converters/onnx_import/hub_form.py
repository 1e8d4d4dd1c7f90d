"""Nodes whose operator the hub has: emitted as they are, if they mean the same there.

Between opset 7 and the newest most new versions of an operator only take more types or attributes. Where one means
something else an adapter is registered; what remains is checked here by the attributes.
"""

from __future__ import annotations

import onnx
import onnx_ir as ir

from mltoolkit.converters.onnx_import.node import RefusedNode, SourceNode
from mltoolkit.converters.onnx_import.schemas import hub_schema, schema
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.opset import OPSET

# The oldest opset that is read: before it, binary operators broadcast by attributes.
OLDEST_OPSET = 7


def emit_as_is(node: SourceNode) -> tuple[ir.Value, ...] | None:
    """The node's outputs in the hub; None where the hub has no such operator.

    Raises:
        RefusedNode: the hub's operator cannot do what the node says.
    """
    here = schema(node.op_type, node.version, node.domain)
    there = hub_schema(node.op_type) if not node.domain else None
    if here is None or there is None:
        return None
    if node.version < OLDEST_OPSET:
        oldest = schema(node.op_type, OLDEST_OPSET)
        if oldest is None or oldest.since_version != here.since_version:
            raise RefusedNode(f"its form of opset {node.version} is not known here", f"opset {OLDEST_OPSET} or newer")
    attributes = {}
    for name, attribute in node.attributes.items():
        if name in there.attributes:
            attributes[name] = attribute
        elif not _is_default(attribute, here):
            raise RefusedNode(
                f"its attribute {name} = {attribute.value!r} of opset {here.since_version} "
                f"has no form in opset {OPSET}",
                f"{node.op_type} without it",
            )
    if node.output_count > there.max_output or len(node.inputs) > there.max_input:
        raise RefusedNode(f"its form of opset {here.since_version} has more inputs or outputs than that of {OPSET}")
    try:
        return node.emit(attributes=attributes)
    except InvalidModelError as error:
        if here.since_version <= there.since_version:
            raise
        types = ", ".join(str(value.dtype) for value in node.inputs if value is not None)
        raise RefusedNode(
            f"its form of opset {here.since_version} has none in opset {OPSET} for inputs of type {types}"
        ) from error


def _is_default(attribute: ir.Attr, definition: onnx.defs.OpSchema) -> bool:
    declared = definition.attributes.get(attribute.name)
    if declared is None or not declared.default_value.name:
        return False
    default = onnx.helper.get_attribute_value(declared.default_value)
    return bool((default.decode() if isinstance(default, bytes) else default) == attribute.value)
