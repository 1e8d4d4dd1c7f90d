"""Nodes that a hook converts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import onnx_ir as ir

from mltoolkit.converters.hooks import Hook, HookedLayer, HookSet
from mltoolkit.converters.onnx_import.node import RefusedNode, SourceNode
from mltoolkit.custom_layers.description import CustomLayerDescription
from mltoolkit.graph.builder import Dimension, known_shape


def apply_hook(hooks: HookSet, hook: Hook, node: SourceNode) -> tuple[ir.Value, ...]:
    """What a hook makes of a node.

    A custom layer reads the inputs that are not constant; the constant ones are its weights.

    Raises:
        ConversionHookError: the hook raised or returned something wrong.
        RefusedNode: the shape of a custom layer's output is not known.
    """
    given = [value for value in node.inputs if value is not None]
    shapes = [known_shape(value) for value in node.source.outputs]
    layer = HookedLayer(
        name=node.name,
        class_name=node.op_type,
        domain=node.domain,
        config=_config(node.attributes),
        weights=[value.const_value.numpy() for value in given if value.const_value is not None],
        input_shapes=[known_shape(value) for value in given],
        output_shapes=shapes,
        source=node.source,
        inputs=given,
        builder=node.builder,
    )
    result = hooks.apply(hook, layer)
    if not isinstance(result, CustomLayerDescription):
        return result
    outputs: list[tuple[str, tuple[Dimension, ...]]] = []
    for value, shape in zip(node.source.outputs, result.output_shapes or shapes, strict=True):
        if shape is None:
            raise RefusedNode(
                f"the file does not say which shape its output {value.name!r} has",
                "the shape in the graph's value_info, or output_shapes in the hook's CustomLayerDescription",
            )
        outputs.append((value.name or "", tuple(shape)))
    made, values = node.builder.custom_op(
        result.class_name,
        [value for value in given if value.const_value is None],
        [("", shape) for _, shape in outputs],
    )
    node.walker.custom_layers[made.name or ""] = result
    return values


def _config(attributes: Mapping[str, ir.Attr]) -> dict[str, Any]:
    config: dict[str, Any] = {}
    for name, attribute in attributes.items():
        value = attribute.value
        if isinstance(value, ir.Graph):
            continue
        if isinstance(value, ir.TensorProtocol):
            config[name] = value.numpy()
        else:
            config[name] = list(value) if isinstance(value, tuple) else value
    return config
