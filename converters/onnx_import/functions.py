"""Operators that are defined by other operators: a model's own functions, and those of ONNX's definitions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import onnx
import onnx_ir as ir

from mltoolkit.converters.onnx_import.node import RefusedNode, SourceNode, UnknownOperator
from mltoolkit.converters.onnx_import.schemas import schema
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.opset import OPSET

if TYPE_CHECKING:
    from mltoolkit.converters.onnx_import.walk import Walker

# Operators of the hub that no writer takes: composed of others at once.
ALWAYS_EXPANDED = frozenset(
    (
        "AffineGrid",
        "BlackmanWindow",
        "CastLike",
        "Celu",
        "CenterCropPad",
        "HammingWindow",
        "HannWindow",
        "MeanVarianceNormalization",
        "NegativeLogLikelihoodLoss",
        "Shrink",
        "SoftmaxCrossEntropyLoss",
    )
)


def body_of_operator(node: SourceNode) -> ir.Function | None:
    """The body of an operator that is always expanded, else None."""
    return body_of_schema(node) if not node.domain and node.op_type in ALWAYS_EXPANDED else None


def body_of_schema(node: SourceNode) -> ir.Function:
    """The body that ONNX gives for an operator.

    Raises:
        RefusedNode: it gives none.
    """
    definition = schema(node.op_type, node.version, node.domain)
    assert definition is not None
    # An operator of the hub may have got its body in a later opset than the node's.
    candidates = [definition]
    if not node.domain and node.version < OPSET:
        newer = schema(node.op_type, OPSET)
        candidates += [newer] if newer is not None else []
    for candidate in candidates:
        proto = _body(node, candidate)
        if proto is not None:
            return ir.serde.deserialize_function(_with_all_outputs(proto, node))
    if node.domain:
        raise UnknownOperator(f"ONNX's domain {node.domain!r} says in words only what it computes", "a hook")
    raise UnknownOperator(
        f"it came with opset {definition.since_version}: the hub's opset {OPSET} has no such operator, and ONNX's "
        "definition does not compose it of others"
    )


def _body(node: SourceNode, definition: Any) -> onnx.FunctionProto | None:
    if definition.has_function:
        body: onnx.FunctionProto = definition.function_body
        return body
    if not definition.has_context_dependent_function:
        return None
    types = []
    for value in node.inputs:
        given = onnx.TypeProto()
        if value is not None and value.type is not None:
            ir.serde.serialize_type_into(given, value.type)
            if value.shape is not None:
                ir.serde.serialize_shape_into(given, value.shape)
        types.append(given.SerializeToString())
    source = ir.to_proto(node.source)
    # References to the attributes of a surrounding function are resolved by now.
    del source.attribute[:]
    source.attribute.extend(ir.to_proto(attribute) for attribute in node.attributes.values())
    text = definition.get_context_dependent_function(source.SerializeToString(), types)
    if not text:
        return None
    proto = onnx.FunctionProto()
    proto.ParseFromString(text)
    return proto


def _with_all_outputs(proto: onnx.FunctionProto, node: SourceNode) -> onnx.FunctionProto:
    """The function without the optional outputs that its body does not make here (the present key of Attention)."""
    made = {name for inner in proto.node for name in inner.output} | set(proto.input)
    outputs = list(proto.output)[: node.output_count]
    for index, name in enumerate(outputs):
        if name not in made:
            if node.has_output(index):
                raise RefusedNode(f"ONNX's definition does not compose its output {name!r} for these inputs")
            outputs[index] = outputs[0]
    del proto.output[:]
    proto.output.extend(outputs)
    return proto


def call(walker: Walker, node: SourceNode, function: ir.Function) -> tuple[ir.Value, ...]:
    """Emit what a function is composed of in place of its call."""
    if len(node.inputs) > len(function.inputs):
        raise InvalidModelError(f"the function {function.name!r} takes {len(function.inputs)} inputs")
    for index, source in enumerate(function.inputs):
        walker.bind(source, node.optional_input(index))
    attributes = {name: default for name, default in function.attributes.items() if default.value is not None}
    definition = schema(node.op_type, node.version, node.domain)
    if definition is not None:
        for name, declared in definition.attributes.items():
            if declared.default_value.name:
                attributes[name] = ir.from_proto(declared.default_value)
    attributes.update(node.attributes)
    # Some of ONNX's own bodies leave out the opset of ONNX itself: it is the caller's.
    with walker.within(opsets={**walker.opsets, **function.opset_imports}, attributes=attributes, scope=node.name):
        for _ in walker.walk(function):
            pass
        outputs = []
        for source in list(function.outputs)[: node.output_count]:
            value = walker.value(source)
            if value is None:
                raise RefusedNode(f"its output {source.name!r} is an optional input that is left out")
            outputs.append(value)
    return tuple(outputs)
