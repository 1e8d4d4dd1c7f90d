"""Custom layers (CustomLayerParams): a node that the runtime hands to a Python class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import onnx_ir as ir

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.custom_layers.description import CustomLayerDescription
from mltoolkit.custom_layers.protocol import CustomLayer, Shape
from mltoolkit.errors import CustomLayerError, UnsupportedModelError
from mltoolkit.formats.custom_layers import custom_parameters, custom_weight
from mltoolkit.graph.model_graph import CustomNode


@converts("custom")
def convert_custom(context: LayerContext, layer: Any) -> None:
    """Emit a custom node around the Python object of the layer's class."""
    params = layer.custom
    _check_place(context)
    description = CustomLayerDescription(
        params.className,
        params.description,
        custom_parameters(params),
        [custom_weight(weight) for weight in params.weights],  # type: ignore[misc]  # bytes stay bytes
    )
    implementation = make_layer(context, description)
    inputs = [with_full_rank(context, value) for value in context.inputs()]
    shapes = announced_shapes(context, implementation, [context.static_shape(value) for value in inputs])
    emit_custom(context, layer, description, inputs, shapes, implementation)


def _check_place(context: LayerContext) -> None:
    if context.in_body:
        raise UnsupportedModelError(
            "a custom layer inside a branch or loop cannot be run: onnxruntime does not call back from there",
            where=context.where,
        )


def find_layer(context: LayerContext, class_name: str) -> type[CustomLayer] | None:
    """The Python class for a custom layer's class name; None where there is none."""
    return context.custom_layer_classes.known([class_name]).get(class_name)


def make_layer(context: LayerContext, description: CustomLayerDescription) -> CustomLayer:
    """The Python object that runs a custom layer.

    Raises:
        MissingCustomLayerError: it has no Python class.
        CustomLayerError: the class raised.
    """
    layer_class = context.custom_layer_classes.find(description.class_name, context.where)
    try:
        return layer_class(dict(description.parameters), list(description.weights))
    except Exception as error:
        raise CustomLayerError(
            f"the custom layer {description.class_name!r} cannot be made: {type(error).__name__}: {error}",
            where=context.where,
        ) from error


def emit_custom(
    context: LayerContext,
    layer: Any,
    description: CustomLayerDescription,
    inputs: Sequence[ir.Value],
    shapes: Sequence[Shape],
    implementation: CustomLayer | None = None,
) -> None:
    """Emit the node of a custom layer and hand over its outputs.

    Args:
        context: the layer's context.
        layer: the layer.
        description: what a model file says of it.
        inputs: with sequence and batch as axes of their own where blobs have them.
        shapes: likewise for the outputs.
        implementation: what runs it here; None where nothing does.
    """
    _check_place(context)
    node, outputs = context.builder.custom_op(description.class_name, inputs, [("", shape) for shape in shapes])
    assert node.name is not None
    context.custom_descriptions[node.name] = description
    if implementation is not None:
        context.custom_nodes[node.name] = CustomNode(layer.name, implementation)
    for index, value in enumerate(outputs):
        if context.rank5:
            sequence, batch, *rest = shapes[index]
            value = context.builder.op("Reshape", value, context.builder.constant([sequence * batch, *rest]))
        context.output(value, index)


def with_full_rank(context: LayerContext, value: ir.Value) -> ir.Value:
    """[N, C, H, W] as [S, B, C, H, W]; other blobs as they are."""
    if not context.rank5:
        return value
    if context.batch == 1:
        return context.builder.op("Unsqueeze", value, context.builder.constant([1]))
    rest = context.static_shape(value)[1:]
    return context.builder.op("Reshape", value, context.builder.constant([-1, context.batch, *rest]))


def announced_shapes(context: LayerContext, implementation: CustomLayer, input_shapes: list[Shape]) -> list[Shape]:
    """The output shapes that a custom layer announces for its inputs', checked.

    Raises:
        CustomLayerError: it raises, or announces shapes that cannot be.
    """
    name = implementation.class_name
    try:
        announced: Sequence[Shape] = implementation.output_shapes(input_shapes)
        shapes = [tuple(int(size) for size in shape) for shape in announced]
    except Exception as error:
        raise CustomLayerError(
            f"output_shapes of the custom layer {name!r} failed for {input_shapes}: {type(error).__name__}: {error}",
            where=context.where,
        ) from error
    wanted = len(context.layer.output)
    if len(shapes) != wanted:
        raise CustomLayerError(
            f"output_shapes of the custom layer {name!r} gives {len(shapes)} shapes for {wanted} outputs",
            where=context.where,
        )
    for shape in shapes:
        if (context.rank5 and len(shape) != 5) or any(size < 0 for size in shape) or math.prod(shape) > 1 << 31:
            raise CustomLayerError(
                f"output_shapes of the custom layer {name!r} gives the impossible shape {shape}",
                where=context.where,
                fix="Shapes have rank 5, [Sequence, Batch, C, H, W], in this model" if context.rank5 else None,
            )
    return shapes
