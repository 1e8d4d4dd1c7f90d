"""Normalization layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.converters.keras.broadcasting import spread
from mltoolkit.converters.keras.context import LayerContext
from mltoolkit.converters.keras.registry import converts
from mltoolkit.converters.keras.tensors import Tensor

Array = NDArray[np.float32]


@converts("BatchNormalization")
def convert_batch_normalization(context: LayerContext) -> Tensor:
    """With the moving statistics: γ · (x − μ) / √(σ² + ε) + β along one axis."""
    mean, variance = context.needed_weight("moving_mean"), context.needed_weight("moving_variance")
    gamma, beta = context.weight("gamma"), context.weight("beta")
    layer = context.source
    return batch_normalization(context, context.tensor(), layer.axis, mean, variance, gamma, beta, layer.epsilon)


def batch_normalization(
    context: LayerContext,
    x: Tensor,
    axis: int,
    mean: Array,
    variance: Array,
    gamma: Array | None,
    beta: Array | None,
    epsilon: float,
) -> Tensor:
    """All of the size of the axis; γ is 1 and β 0 when left out."""
    gamma = np.ones_like(mean) if gamma is None else gamma
    beta = np.zeros_like(mean) if beta is None else beta
    axis %= x.rank
    if x.stored_axis(axis) == 1:
        constants = [context.constant(array) for array in (gamma, beta, mean, variance)]
        return Tensor(context.op("BatchNormalization", x.value, *constants, epsilon=float(epsilon)), x.moved)
    # Elsewhere it is a product and a sum; computed in double so that only the result is rounded.
    factor = gamma.astype(np.float64) / np.sqrt(variance.astype(np.float64) + epsilon)
    shift = beta - mean * factor
    value = context.op("Mul", x.value, spread(context, _along(factor, axis, x), x))
    return Tensor(context.op("Add", value, spread(context, _along(shift, axis, x), x)), x.moved)


def _along(array: NDArray[np.floating], axis: int, x: Tensor) -> Array:
    """A vector in Keras' order along one axis of a tensor."""
    return array.astype(np.float32).reshape([-1 if place == axis else 1 for place in range(x.rank)])


@converts("LayerNormalization")
def convert_layer_normalization(context: LayerContext) -> Tensor:
    """(x − μ) / √(σ² + ε) over some axes, times γ plus β."""
    layer, x = context.source, context.tensor()
    axes = normalization_axes(layer.axis, x)
    if getattr(layer, "rms_scaling", False):
        context.refuse("its option rms_scaling is not converted", "RMSNormalization")
    return layer_normalization(context, x, axes, context.weight("gamma"), context.weight("beta"), layer.epsilon)


def normalization_axes(axis: int | Sequence[int], x: Tensor) -> list[int]:
    """Axes of Keras' order, not negative, sorted."""
    return sorted(one % x.rank for one in ([axis] if isinstance(axis, int) else axis))


def layer_normalization(
    context: LayerContext, x: Tensor, axes: Sequence[int], gamma: Array | None, beta: Array | None, epsilon: float
) -> Tensor:
    """γ and β have the sizes of the axes that are normalized."""
    sizes = [size for size in (x.shape[axis] for axis in axes) if isinstance(size, int)]
    last_axes = list(axes) == list(range(x.rank - len(axes), x.rank))
    if last_axes and not x.moved and len(sizes) == len(axes):
        scale = context.constant(np.ones(sizes, np.float32) if gamma is None else gamma.reshape(sizes))
        operands = [x.value, scale] + ([context.constant(beta.reshape(sizes))] if beta is not None else [])
        return Tensor(context.op("LayerNormalization", *operands, axis=int(axes[0]), epsilon=float(epsilon)))
    stored = context.constant(sorted(x.stored_axis(axis) for axis in axes))
    centred = context.op("Sub", x.value, context.op("ReduceMean", x.value, stored, keepdims=1))
    variance = context.op("ReduceMean", context.op("Mul", centred, centred), stored, keepdims=1)
    return scaled(context, x, axes, _over_root(context, centred, variance, epsilon), gamma, beta)


def _over_root(context: LayerContext, value: ir.Value, square: ir.Value, epsilon: float) -> ir.Value:
    return context.op("Div", value, context.op("Sqrt", context.op("Add", square, context.constant(float(epsilon)))))


def scaled(
    context: LayerContext,
    x: Tensor,
    axes: Sequence[int],
    value: ir.Value,
    gamma: Array | None,
    beta: Array | None,
) -> Tensor:
    """A value stored like ``x``, times γ plus β, which have the sizes of some axes."""
    shape = [-1 if axes[0] == place and len(axes) == 1 else 1 for place in range(x.rank)]
    for op_type, array in (("Mul", gamma), ("Add", beta)):
        if array is not None:
            if len(axes) > 1:
                sizes = iter(array.shape)
                shape = [next(sizes) if place in axes else 1 for place in range(x.rank)]
            value = context.op(op_type, value, spread(context, array.reshape(shape), x))
    return Tensor(value, x.moved)


@converts("RMSNormalization")
def convert_rms_normalization(context: LayerContext) -> Tensor:
    """X / √(mean of x² + ε) over some axes, times a scale (Zhang & Sennrich 2019)."""
    layer, x = context.source, context.tensor()
    return rms_normalization(context, x, normalization_axes(layer.axis, x), context.weight("scale"), layer.epsilon)


def rms_normalization(
    context: LayerContext, x: Tensor, axes: Sequence[int], scale: Array | None, epsilon: float
) -> Tensor:
    """The scale has the sizes of the axes that are normalized."""
    stored = context.constant(sorted(x.stored_axis(axis) for axis in axes))
    square = context.op("ReduceMean", context.op("Mul", x.value, x.value), stored, keepdims=1)
    return scaled(context, x, axes, _over_root(context, x.value, square, epsilon), scale, None)


@converts("UnitNormalization")
def convert_unit_normalization(context: LayerContext) -> Tensor:
    """X over its Euclidean length along some axes, which counts as at least 1e-12."""
    x = context.tensor()
    stored = context.constant(sorted(x.stored_axis(axis) for axis in normalization_axes(context.source.axis, x)))
    length = context.op("ReduceL2", x.value, stored, keepdims=1)
    return context.like_input(context.op("Div", x.value, context.op("Max", length, context.constant(1e-12))))


@converts("GroupNormalization")
def convert_group_normalization(context: LayerContext) -> Tensor:
    """Each sample's channels in groups, each with its own mean and variance (Wu & He 2018)."""
    layer, x = context.source, context.tensor()
    axis = layer.axis % x.rank
    if x.rank < 3 or axis not in (1, x.rank - 1):
        context.refuse(f"its axis is {layer.axis} of {x.rank}", "rank 3 or more, channels at place 1 or at the end")
    result = context.layouts.unmoved(x) if axis == 1 else context.layouts.moved(x)
    value = result.value
    shape = result.stored_shape
    channels = shape[1]
    if not isinstance(channels, int) or sum(not isinstance(size, int) for size in shape[1:]) > 1:
        context.refuse("the sizes of its input are only known when the model runs", "an input of fixed size")
    groups = channels if layer.groups == -1 else int(layer.groups)
    ones = context.constant(np.ones(groups, np.float32))
    zeros = context.constant(np.zeros(groups, np.float32))
    grouped = context.op("Reshape", value, context.constant([0, groups, -1]))
    normal = context.op("InstanceNormalization", grouped, ones, zeros, epsilon=float(layer.epsilon))
    sizes = [size if isinstance(size, int) else 0 if place == 0 else -1 for place, size in enumerate(shape)]
    whole = context.op("Reshape", normal, context.constant(sizes))
    return scaled(context, result, [axis], whole, context.weight("gamma"), context.weight("beta"))


@converts("SpectralNormalization")
def convert_spectral_normalization(context: LayerContext) -> list[Tensor]:
    """The wrapped layer: its kernel holds what the last training step normalized."""
    return context.apply(context.source.layer, *context.args)
