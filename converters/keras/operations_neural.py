"""Operations of ``keras.ops.nn`` with weights: convolution and normalization."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.converters.keras.context import LayerContext
from mltoolkit.converters.keras.convolution import convolution_kernel, convolve, depthwise_kernel
from mltoolkit.converters.keras.convolution_transpose import convolve_transposed
from mltoolkit.converters.keras.normalization import (
    batch_normalization,
    layer_normalization,
    normalization_axes,
    rms_normalization,
)
from mltoolkit.converters.keras.operations_unary import floating
from mltoolkit.converters.keras.registry import converts_operation
from mltoolkit.converters.keras.tensors import Tensor


def constant_argument(context: LayerContext, name: str) -> NDArray[np.float32] | None:
    """An argument that is a variable or array; refuses a tensor of the graph."""
    value: Any = context.argument(name)
    if isinstance(value, Tensor):
        context.refuse(f"its {name} is computed by the model", f"a constant {name}")
    return None if value is None else context.array(value)


@converts_operation("LayerNorm")
def convert_layer_norm(context: LayerContext) -> Tensor:
    """(x − μ) / √(σ² + ε) over some axes, times γ plus β."""
    x, source = floating(context, context.tensor()), context.source
    if source.rms_scaling:
        context.refuse("its option rms_scaling is not converted", "keras.ops.rms_normalization")
    gamma, beta = constant_argument(context, "gamma"), constant_argument(context, "beta")
    epsilon = context.walk.keras.config.epsilon() if source.epsilon is None else source.epsilon
    return layer_normalization(context, x, normalization_axes(source.axis, x), gamma, beta, epsilon)


@converts_operation("RMSNorm")
def convert_rms_norm(context: LayerContext) -> Tensor:
    """X / √(mean of x² + ε) over some axes, times a scale."""
    x, source = floating(context, context.tensor()), context.source
    epsilon = context.walk.keras.config.epsilon() if source.epsilon is None else source.epsilon
    return rms_normalization(
        context, x, normalization_axes(source.axis, x), constant_argument(context, "scale"), epsilon
    )


@converts_operation("Normalize")
def convert_normalize(context: LayerContext) -> Tensor:
    """X over its Euclidean length, which counts as at least ε."""
    x, source = floating(context, context.tensor()), context.source
    if source.order != 2:
        context.refuse(f"its order is {source.order}", "the order 2")
    axes = normalization_axes(source.axis, x) if source.axis is not None else list(range(x.rank))
    given = getattr(source, "epsilon", None)  # releases before 3.6 take none
    epsilon = context.walk.keras.config.epsilon() if given is None else given
    stored = context.constant(sorted(x.stored_axis(axis) for axis in axes))
    length = context.op("ReduceL2", x.value, stored, keepdims=1)
    return Tensor(context.op("Div", x.value, context.op("Max", length, context.constant(float(epsilon)))), x.moved)


@converts_operation("Conv", "DepthwiseConv", "SeparableConv")
def convert_convolution(context: LayerContext) -> Tensor:
    """With kernels that are variables, or that the model computes from variables alone."""
    source, value = context.source, context.feature_map()
    options = {
        "strides": context.each_axis(source.strides, value),
        "dilations": context.each_axis(source.dilation_rate, value),
        "padding": source.padding,
    }
    if context.class_name == "Conv":
        kernel = _kernel(context, "kernel")
        groups = context.inputs[0].shape[-1 if context.channels_last else 1]
        assert isinstance(groups, int)
        result = convolve(context, value, convolution_kernel(kernel), groups=groups // kernel.shape[-2], **options)
    else:
        name = "kernel" if context.class_name == "DepthwiseConv" else "depthwise_kernel"
        kernel, channels = depthwise_kernel(_kernel(context, name))
        result = convolve(context, value, kernel, groups=channels, **options)
        if context.class_name == "SeparableConv":
            result = convolve(context, result, convolution_kernel(_kernel(context, "pointwise_kernel")))
    return context.feature_result(result)


def _kernel(context: LayerContext, name: str) -> NDArray[np.float32]:
    kernel = constant_argument(context, name)
    assert kernel is not None
    return kernel


@converts_operation("ConvTranspose")
def convert_convolution_transpose(context: LayerContext) -> Tensor:
    """With a constant kernel."""
    source, value = context.source, context.feature_map()
    extra = source.output_padding
    result = convolve_transposed(
        context,
        value,
        _kernel(context, "kernel"),
        None,
        context.each_axis(source.strides, value),
        context.each_axis(source.dilation_rate, value),
        source.padding,
        None if extra is None else context.each_axis(extra, value),
    )
    return context.feature_result(result)


@converts_operation("DepthToSpace", "SpaceToDepth")
def convert_blocks(context: LayerContext) -> Tensor:
    """Blocks of pixels as channels, the block's row first, and back."""
    options: dict[str, Any] = {"blocksize": int(context.source.block_size)}
    if context.class_name == "DepthToSpace":
        options["mode"] = "DCR"
    return context.feature_result(context.op(context.class_name, context.feature_map(), **options))


@converts_operation("BatchNorm")
def convert_batch_norm(context: LayerContext) -> Tensor:
    """With constant statistics: γ · (x − μ) / √(σ² + ε) + β along one axis."""
    x, axis = floating(context, context.tensor()), int(context.source.axis)
    arrays = [constant_argument(context, name) for name in ("mean", "variance", "scale", "offset")]
    mean, variance, gamma, beta = arrays
    assert mean is not None and variance is not None
    return batch_normalization(context, x, axis, mean, variance, gamma, beta, float(context.source.epsilon))
