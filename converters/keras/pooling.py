"""Pooling of 1, 2 and 3 spatial axes, and of whole feature maps."""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from mltoolkit.converters.keras.context import LayerContext
from mltoolkit.converters.keras.padding import padding_attributes
from mltoolkit.converters.keras.registry import converts, converts_operation
from mltoolkit.converters.keras.tensors import Tensor
from mltoolkit.graph.builder import shape_of


@converts_operation("MaxPool")
@converts("MaxPooling1D", "MaxPooling2D", "MaxPooling3D")
def convert_max_pooling(context: LayerContext) -> Tensor:
    """The greatest of each window; padding never wins."""
    value = context.feature_map()
    attributes = _attributes(context, value)
    pads = attributes.pop("pads", ())
    # Rather as auto_pad: onnxruntime (1.31) merges pads with those of a Pad in front, whose zeros may well win. But
    # it pads windows that are smaller than their steps wrongly.
    if not any(pads):
        attributes.setdefault("auto_pad", "VALID")
    elif all(size >= stride for size, stride in zip(*_window(context, value), strict=True)):
        attributes["auto_pad"] = "SAME_UPPER"
    else:
        attributes["pads"] = pads
    return context.feature_result(context.builder.op("MaxPool", value, attributes=attributes))


@converts_operation("AveragePool")
@converts("AveragePooling1D", "AveragePooling2D", "AveragePooling3D")
def convert_average_pooling(context: LayerContext) -> Tensor:
    """The mean of each window; padding does not count.

    Keras on torch instead repeats the border where the padding is not the same at both ends.
    """
    value = context.feature_map()
    attributes = _attributes(context, value)
    pads = attributes.get("pads", ())
    half = len(pads) // 2
    if pads[:half] != pads[half:] and context.walk.keras.backend.backend() == "torch":
        del attributes["pads"]
        everywhere = [0, 0, *pads[:half], 0, 0, *pads[half:]]
        value = context.op("Pad", value, context.constant(everywhere), mode="edge")
    return context.feature_result(context.builder.op("AveragePool", value, attributes=attributes))


def _attributes(context: LayerContext, value: ir.Value) -> dict[str, Any]:
    window, strides = _window(context, value)
    pads = padding_attributes(context.source.padding, shape_of(value)[2:], window, strides, (1,) * len(window))
    return {"kernel_shape": window, "strides": strides, **pads}


def _window(context: LayerContext, value: ir.Value) -> tuple[list[int], list[int]]:
    """The sizes of a window, and the steps between windows."""
    layer = context.source
    window = context.each_axis(layer.pool_size, value)
    return window, window if layer.strides is None else context.each_axis(layer.strides, value)


@converts("GlobalAveragePooling1D", masks=True)
def convert_global_average_1d(context: LayerContext) -> Tensor:
    """The mean over time, of the steps that count."""
    x = context.tensor()
    mask = x.mask
    if mask is None:
        return _reduced(context, "ReduceMean")
    if mask.value is None:
        context.refuse("how the mask of its input is made is not known")
    axes = context.constant([1])
    weights = context.op("Unsqueeze", context.op("Cast", mask.value, to=1), context.constant([2]))
    keep = int(context.source.keepdims)
    kept = context.op("Mul", context.layouts.logical(x), weights)
    total = context.op("ReduceSum", kept, axes, keepdims=keep)
    return Tensor(context.op("Div", total, context.op("ReduceSum", weights, axes, keepdims=keep)))


@converts("GlobalAveragePooling2D", "GlobalAveragePooling3D")
def convert_global_average(context: LayerContext) -> Tensor:
    """The mean of each channel."""
    return _reduced(context, "ReduceMean")


@converts("GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D")
def convert_global_max(context: LayerContext) -> Tensor:
    """The greatest of each channel."""
    return _reduced(context, "ReduceMax")


def _reduced(context: LayerContext, op_type: str) -> Tensor:
    """Reduce the spatial axes, wherever they are stored."""
    x = context.tensor()
    first = 1 if context.channels_last else 2
    axes = sorted(x.stored_axis(axis) for axis in range(first, first + x.rank - 2))
    keep = bool(context.source.keepdims)
    value = context.op(op_type, x.value, context.constant(axes), keepdims=int(keep))
    return Tensor(value, x.moved and keep)
