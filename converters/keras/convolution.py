"""Convolutions of 1, 2 and 3 spatial axes: Conv*, DepthwiseConv*, SeparableConv*, Conv*Transpose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.converters.keras.activations import activated
from mltoolkit.converters.keras.context import LayerContext
from mltoolkit.converters.keras.padding import padding_attributes
from mltoolkit.converters.keras.registry import converts
from mltoolkit.converters.keras.tensors import Tensor
from mltoolkit.graph.builder import shape_of

Array = NDArray[np.float32]


@converts("Conv1D", "Conv2D", "Conv3D")
def convert_convolution(context: LayerContext) -> Tensor:
    """Kernel (*window, channels / groups, filters)."""
    kernel = convolution_kernel(context.needed_weight("kernel"))
    return _finished(context, context.feature_map(), kernel, context.source.groups)


@converts("DepthwiseConv1D", "DepthwiseConv2D")
def convert_depthwise(context: LayerContext) -> Tensor:
    """Kernel (*window, channels, multiplier)."""
    kernel, channels = depthwise_kernel(context.needed_weight("kernel"))
    return _finished(context, context.feature_map(), kernel, channels)


@converts("SeparableConv1D", "SeparableConv2D")
def convert_separable(context: LayerContext) -> Tensor:
    """A depthwise convolution without bias, then one of window 1."""
    layer = context.source
    kernel, channels = depthwise_kernel(context.needed_weight("depthwise_kernel"))
    depthwise = convolve(
        context,
        context.feature_map(),
        kernel,
        groups=channels,
        strides=layer.strides,
        dilations=layer.dilation_rate,
        padding=layer.padding,
    )
    pointwise = convolution_kernel(context.needed_weight("pointwise_kernel"))
    result = convolve(context, depthwise, pointwise, bias=context.weight("bias"))
    return activated(context, context.feature_result(result))


def _finished(context: LayerContext, value: ir.Value, kernel: Array, groups: int) -> Tensor:
    layer = context.source
    result = convolve(
        context,
        value,
        kernel,
        bias=context.weight("bias"),
        groups=groups,
        strides=layer.strides,
        dilations=layer.dilation_rate,
        padding=layer.padding,
    )
    return activated(context, context.feature_result(result))


def convolution_kernel(kernel: Array) -> Array:
    """Keras' (*window, channels / groups, filters) as ONNX's (filters, channels / groups, *window)."""
    return np.moveaxis(kernel, (-1, -2), (0, 1))


def depthwise_kernel(kernel: Array) -> tuple[Array, int]:
    """Keras' (*window, channels, multiplier) as ONNX's (channels · multiplier, 1, *window), and the channels."""
    *window, channels, multiplier = kernel.shape
    turned = np.moveaxis(kernel, (-2, -1), (0, 1))
    return turned.reshape(channels * multiplier, 1, *window), channels


def convolve(
    context: LayerContext,
    value: ir.Value,
    kernel: Array,
    *,
    bias: Array | None = None,
    groups: int = 1,
    strides: Sequence[int] = (),
    dilations: Sequence[int] = (),
    padding: str = "valid",
) -> ir.Value:
    """ONNX's Conv of a channels-first value; strides and dilations are 1 when left out."""
    window = kernel.shape[2:]
    strides, dilations = ([int(size) for size in (given or (1,) * len(window))] for given in (strides, dilations))
    attributes: dict[str, Any] = {
        "kernel_shape": list(window),
        "strides": strides,
        "dilations": dilations,
        "group": int(groups),
        **padding_attributes(padding, shape_of(value)[2:], window, strides, dilations),
    }
    weights = [context.constant(kernel)]
    if bias is not None:
        weights.append(context.constant(bias))
    return context.builder.op("Conv", value, *weights, attributes=attributes)
