"""Shapes that inference over the whole source knows: it follows sizes through Shape, Gather, Concat and Reshape."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import onnx
import onnx_ir as ir

from mltoolkit.converters.onnx_import.inputs import InputDeclaration
from mltoolkit.graph.builder import Dimension, known_shape

logger = logging.getLogger(__name__)

# Larger weights are shown to inference by their shape only.
_SMALL_BYTES = 1024

Hint = tuple[Dimension, ...]


def shape_hints(model: ir.Model, inputs: Sequence[InputDeclaration], *, overridden: bool) -> dict[str, Hint]:
    """Shapes by the name of the value, for the main graph of a model whose inputs have unknown sizes.

    Args:
        model: the source.
        inputs: its inputs as they are used.
        overridden: whether they differ from the file, so that shapes in the file no longer hold.
    """
    if not overridden and all(isinstance(size, int) for declared in inputs for size in declared.shape):
        return {}
    try:
        light = _without_weights(model, inputs, overridden)
        inferred = onnx.shape_inference.infer_shapes(light, data_prop=True)
    except Exception as error:  # hints are optional; what is really wrong shows in the walk
        logger.info("ONNX's shape inference fails on the whole model: %s", str(error).splitlines()[:1])
        return {}
    hints = {}
    for info in (*inferred.graph.value_info, *inferred.graph.output):
        if info.type.tensor_type.HasField("shape"):
            shape = ir.serde.deserialize_type_proto_for_shape(info.type)
            known = known_shape(ir.Value(name=info.name, shape=shape))
            if known is not None:
                hints[info.name] = tuple(None if isinstance(size, int) and size < 0 else size for size in known)
    return hints


def _without_weights(model: ir.Model, inputs: Sequence[InputDeclaration], overridden: bool) -> onnx.ModelProto:
    graph = onnx.GraphProto(name="hints")
    for node in model.graph:
        graph.node.append(ir.to_proto(node))
    for declared in inputs:
        element = int(ir.DataType.from_numpy(declared.dtype))
        graph.input.append(onnx.helper.make_tensor_value_info(declared.name, element, list(declared.shape)))
    for name, value in model.graph.initializers.items():
        tensor = value.const_value
        if tensor is None:
            continue
        if tensor.nbytes <= _SMALL_BYTES:
            graph.initializer.append(ir.serde.serialize_tensor(tensor))
        else:
            sizes = [int(size) for size in tensor.shape.numpy()]
            graph.input.append(onnx.helper.make_tensor_value_info(name, int(tensor.dtype), sizes))
    for value in model.graph.outputs:
        info = onnx.ValueInfoProto(name=value.name)
        if not overridden and value.type is not None:
            info = ir.serde.serialize_value(value)
        graph.output.append(info)
    light = onnx.ModelProto(ir_version=model.ir_version or 8, graph=graph)
    for domain, version in model.opset_imports.items():
        light.opset_import.add(domain=domain, version=version)
    light.functions.extend(ir.serde.serialize_function(function) for function in model.functions.values())
    return light


def merge_hint(value: ir.Value, hint: Hint | None) -> None:
    """Fill what the hub's inference leaves open of a value's shape."""
    if hint is None or value.const_value is not None:
        return
    known = known_shape(value)
    if known is None:
        value.shape = ir.Shape(list(hint))
    elif len(known) == len(hint) and any(size is None for size in known):
        sizes: list[Dimension] = [other if size is None else size for size, other in zip(known, hint, strict=True)]
        value.shape = ir.Shape(sizes)
    elif len(known) == len(hint):
        # Inference makes up names for what it cannot compute; a number says more.
        value.shape = ir.Shape(
            [
                other if isinstance(other, int) and not isinstance(size, int) else size
                for size, other in zip(known, hint, strict=True)
            ]
        )
