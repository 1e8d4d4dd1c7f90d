"""Normalisation: batch, mean-variance and L2 normalisation, and softmax.

Source: NeuralNetwork.proto, messages BatchnormLayerParams, MeanVarianceNormalizeLayerParams,
L2NormalizeLayerParams and SoftmaxLayerParams.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.neural_network.activation import affine
from mltoolkit.converters.neural_network.context import CHANNEL, LayerContext
from mltoolkit.converters.neural_network.leading import on_nchw
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import shape_of

BATCHNORM_EPSILON = 1e-5
EPSILON = 1e-6


@converts("batchnorm")
def batchnorm(context: LayerContext, layer: Any) -> None:
    """BatchNormalization with stored or measured statistics; (..., C, H, W) stays."""
    params = layer.batchnorm
    if params.channels < 1:
        raise InvalidModelError("channels is 0", where=context.where)
    channels = int(params.channels)
    value = context.input()
    context.check_channels(value, channels)
    names = ["gamma", "beta"] + ([] if params.computeMeanVar else ["mean", "variance"])
    weights = {name: context.weight(name, (channels,)) for name in names}
    epsilon = float(params.epsilon) or BATCHNORM_EPSILON
    if params.computeMeanVar and not params.instanceNormalization:
        context.output(_over_batch(context, value, weights["gamma"], weights["beta"], epsilon))
        return
    operation = "InstanceNormalization" if params.computeMeanVar else "BatchNormalization"
    constants = [context.weight_constant(values, name) for name, values in weights.items()]
    context.output(
        on_nchw(
            context,
            value,
            lambda image: context.builder.op(operation, image, *constants, attributes={"epsilon": epsilon}),
            least_rank=3,
        )
    )


def _over_batch(
    context: LayerContext,
    value: ir.Value,
    gamma: np.typing.NDArray[np.float32],
    beta: np.typing.NDArray[np.float32],
    epsilon: float,
) -> ir.Value:
    """Each channel with its mean and variance over the whole batch."""
    builder = context.builder
    channel = context.axis(value, CHANNEL)
    axes = builder.constant([axis for axis in range(len(shape_of(value))) if axis != channel])
    centred, variance = _moments(context, value, axes)
    deviation = builder.op("Sqrt", affine(context, variance, 1, epsilon))
    factor = builder.op("Div", context.weight_constant(gamma.reshape(-1, 1, 1), "gamma"), deviation)
    shift = context.weight_constant(beta.reshape(-1, 1, 1), "beta")
    return builder.op("Add", builder.op("Mul", centred, factor), shift)


def _moments(context: LayerContext, value: ir.Value, axes: ir.Value) -> tuple[ir.Value, ir.Value]:
    """The values less their mean over ``axes``, and their variance."""
    builder = context.builder
    mean = builder.op("ReduceMean", value, axes, attributes={"keepdims": 1})
    centred = builder.op("Sub", value, mean)
    square = builder.op("Mul", centred, centred)
    return centred, builder.op("ReduceMean", square, axes, attributes={"keepdims": 1})


@converts("mvn")
def mean_variance_normalize(context: LayerContext, layer: Any) -> None:
    """(x − mean) / √(variance + ε) over H and W, or over C, H and W; (..., C, H, W) stays."""
    params = layer.mvn
    value = context.input()
    channel = context.axis(value, CHANNEL)
    first = channel if params.acrossChannels else channel + 1
    axes = context.builder.constant(list(range(first, channel + 3)))
    if not params.normalizeVariance:
        mean = context.builder.op("ReduceMean", value, axes, attributes={"keepdims": 1})
        context.output(context.builder.op("Sub", value, mean))
        return
    centred, variance = _moments(context, value, axes)
    deviation = context.builder.op("Sqrt", affine(context, variance, 1, params.epsilon or EPSILON))
    context.output(context.builder.op("Div", centred, deviation))


@converts("l2normalize")
def l2_normalize(context: LayerContext, layer: Any) -> None:
    """x / √(Σ x² + ε) over C, H and W; (..., C, H, W) stays."""
    builder = context.builder
    value = context.input()
    channel = context.axis(value, CHANNEL)
    axes = builder.constant([channel, channel + 1, channel + 2])
    total = builder.op("ReduceSumSquare", value, axes, attributes={"keepdims": 1})
    norm = builder.op("Sqrt", affine(context, total, 1, layer.l2normalize.epsilon or EPSILON))
    context.output(builder.op("Div", value, norm))


@converts("softmax")
def softmax(context: LayerContext, layer: Any) -> None:
    """Softmax over C; (..., C, H, W) stays."""
    value = context.input()
    attributes = {"axis": context.axis(value, CHANNEL)}
    context.output(context.builder.op("Softmax", value, attributes=attributes))
