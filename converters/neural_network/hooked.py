"""Layers that the caller converts: custom conversion functions by layer name, ``className`` or layer type."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import onnx_ir as ir
from google.protobuf.descriptor import FieldDescriptor
from numpy.typing import NDArray

from mltoolkit.converters.hooks import Hook, HookedLayer
from mltoolkit.converters.native_custom_layers import native_form
from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.custom import (
    announced_shapes,
    convert_custom,
    emit_custom,
    find_layer,
    make_layer,
    with_full_rank,
)
from mltoolkit.custom_layers.description import CustomLayerDescription
from mltoolkit.errors import UnsupportedModelError
from mltoolkit.formats.custom_layers import custom_parameters, custom_weight
from mltoolkit.formats.weight_fields import layer_weights
from mltoolkit.formats.weights import Encoding, encoding_of, read_weight
from mltoolkit.graph.builder import Dimension, known_shape


def class_name_of(layer: Any) -> str:
    """What a hook is found by: a custom layer's ``className``, else the layer type."""
    kind = layer.WhichOneof("layer") or ""
    return str(layer.custom.className) if kind == "custom" else kind


def convert_hooked(context: LayerContext, layer: Any, hook: Hook) -> None:
    """Convert the context's layer with a hook.

    Raises:
        ConversionHookError: the hook raised, or returned something wrong.
        UnsupportedModelError: it describes a custom layer whose output shapes nothing tells.
    """
    assert context.hooks is not None
    shapes = _known_outputs(context, layer)
    result = context.hooks.apply(hook, _hooked(context, layer, shapes))
    if isinstance(result, CustomLayerDescription):
        inputs = [with_full_rank(context, value) for value in context.inputs()]
        emit_custom(context, layer, result, inputs, _full_shapes(context, layer, result, inputs, shapes))
        return
    for index, value in enumerate(result):
        context.output(value, index)


def convert_native(context: LayerContext, layer: Any) -> None:
    """Convert a custom layer that mltoolkit brings to ONNX operators; others, as custom layers."""
    form = native_form(layer.custom.className, context.custom_layer_classes)
    value = None if form is None else form(_hooked(context, layer, [None] * len(layer.output)))
    if value is None:
        convert_custom(context, layer)
    else:
        context.output(value)


def _hooked(context: LayerContext, layer: Any, shapes: list[tuple[Dimension, ...] | None]) -> HookedLayer:
    return HookedLayer(
        name=layer.name,
        class_name=class_name_of(layer),
        domain="",
        config=_config(layer),
        weights=_weights(layer),
        input_shapes=[known_shape(value) for value in context.inputs()],
        output_shapes=shapes,
        source=layer,
        inputs=context.inputs(),
        builder=context.builder,
    )


def _config(layer: Any) -> dict[str, Any]:
    """The parameters of a custom layer, or the plain fields of another layer's message."""
    kind = layer.WhichOneof("layer")
    params = getattr(layer, kind)
    if kind == "custom":
        return dict(custom_parameters(params))
    config: dict[str, Any] = {}
    for field in params.DESCRIPTOR.fields:
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            continue
        value = getattr(params, field.name)
        config[field.name] = value if isinstance(value, (bool, int, float, str)) else list(value)
    return config


def _weights(layer: Any) -> list[NDArray[Any]]:
    if layer.WhichOneof("layer") == "custom":
        return [custom_weight(weight) for weight in layer.custom.weights]
    return [
        read_weight(field.params, field.shape, field.where, field.channel_axis)
        for field in layer_weights((), layer)
        if encoding_of(field.params) not in (Encoding.EMPTY, Encoding.RAW) and not field.counted
    ]


def _known_outputs(context: LayerContext, layer: Any) -> list[tuple[Dimension, ...] | None]:
    """Shapes of the outputs as far as the layer's own converter gives them; it leaves nothing behind."""
    from mltoolkit.converters.neural_network.registry import layer_converters

    kind = layer.WhichOneof("layer")
    converter = layer_converters().get(kind)
    unknown: list[tuple[Dimension, ...] | None] = [None] * len(layer.output)
    if kind == "custom" or converter is None:
        return unknown
    values, builder = dict(context.values), context.builder
    context.builder = builder.subgraph(layer.name)
    try:
        converter(context, layer)
        return [known_shape(context.values[name]) if name in context.values else None for name in layer.output]
    except UnsupportedModelError:
        return unknown
    finally:
        context.builder.discard()
        context.builder, context.values = builder, values


def _full_shapes(
    context: LayerContext,
    layer: Any,
    description: CustomLayerDescription,
    inputs: Sequence[ir.Value],
    known: Sequence[tuple[Dimension, ...] | None],
) -> list[tuple[int, ...]]:
    """The output shapes of a described custom layer, with sequence and batch where blobs have them."""
    if find_layer(context, description.class_name) is not None:
        implementation = make_layer(context, description)
        return announced_shapes(context, implementation, [context.static_shape(value) for value in inputs])
    shapes = []
    for index in range(len(layer.output)):
        shape = tuple(description.output_shapes[index]) if description.output_shapes else known[index]
        if shape is None or not all(isinstance(size, int) for size in shape):
            shape = _stated(layer, index)
        if shape is None:
            raise UnsupportedModelError(
                f"the output shape of the custom layer {description.class_name!r} is not known",
                where=context.where,
                fix="Give output_shapes in the CustomLayerDescription, or register a Python class for it with "
                "@mltoolkit.register_custom_layer",
            )
        sizes = tuple(int(size) for size in shape if isinstance(size, int))
        if context.rank5 and len(sizes) == 4:
            sizes = (sizes[0] // context.batch, context.batch, *sizes[1:])
        shapes.append(sizes)
    return shapes


def _stated(layer: Any, index: int) -> tuple[int, ...] | None:
    if index >= len(layer.outputTensor):
        return None
    sizes = tuple(int(size) for size in layer.outputTensor[index].dimValue)
    return sizes if sizes and min(sizes) > 0 and math.prod(sizes) <= 1 << 31 else None
