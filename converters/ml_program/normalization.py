"""Normalisation over batches, instances, layers and windows of channels."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.errors import InvalidModelError


def _per_channel(context: MilContext, name: str, default: float, channels: int) -> ir.Value:
    if context.has(name):
        return context.value(name)
    return context.constant(np.full(channels, default, dtype=np.float32), name)


@converts("batch_norm")
def convert_batch_norm(context: MilContext) -> None:
    """γ·(x − mean) / √(variance + ε) + β for each channel (axis 1)."""
    mean, variance = context.value("mean"), context.value("variance")
    (channels,) = context.static_shape(mean)
    gamma, beta = (_per_channel(context, *pair, channels) for pair in (("gamma", 1.0), ("beta", 0.0)))
    epsilon = float(context.const("epsilon", 1e-5))
    context.output(context.op("BatchNormalization", context.value("x"), gamma, beta, mean, variance, epsilon=epsilon))


@converts("instance_norm")
def convert_instance_norm(context: MilContext) -> None:
    """γ·(x − E[x]) / √(Var[x] + ε) + β over the spatial axes, for each instance and channel."""
    x = context.value("x")
    channels = context.shape(x)[1]
    if not isinstance(channels, int):
        raise InvalidModelError("the number of channels is unknown", where=context.where)
    gamma, beta = (_per_channel(context, *pair, channels) for pair in (("gamma", 1.0), ("beta", 0.0)))
    epsilon = float(context.const("epsilon", 1e-5))
    context.output(context.op("InstanceNormalization", x, gamma, beta, epsilon=epsilon))


@converts("layer_norm")
def convert_layer_norm(context: MilContext) -> None:
    """γ·(x − E[x]) / √(Var[x] + ε) + β over some axes; γ and β have the sizes of these."""
    x = context.value("x")
    rank = context.rank(x)
    axes = sorted(context.axes("axes", rank) or range(rank))
    epsilon = float(context.const("epsilon", 1e-5))
    gamma, beta = context.optional("gamma"), context.optional("beta")
    sizes = context.shape(x)
    trailing = axes == list(range(rank - len(axes), rank))
    if trailing and all(isinstance(sizes[axis], int) for axis in axes):
        if gamma is None:
            gamma = context.constant(np.ones([int(sizes[axis] or 0) for axis in axes], dtype=np.float32), "gamma")
        context.output(context.op("LayerNormalization", x, gamma, beta, axis=axes[0], epsilon=epsilon))
        return
    reduced = context.constant(axes)
    centred = context.op("Sub", x, context.op("ReduceMean", x, reduced, keepdims=1))
    variance = context.op("ReduceMean", context.op("Mul", centred, centred), reduced, keepdims=1)
    deviation = context.op("Sqrt", context.op("Add", variance, context.like(epsilon, variance)))
    result = context.op("Div", centred, deviation)
    missing = context.constant([axis for axis in range(rank) if axis not in axes])
    for op_type, parameter in (("Mul", gamma), ("Add", beta)):
        if parameter is not None:
            result = context.op(op_type, result, context.op("Unsqueeze", parameter, missing))
    context.output(result)


@converts("l2_norm")
def convert_l2_norm(context: MilContext) -> None:
    """x / √(Σ x² + ε) over the last three axes."""
    x = context.value("x")
    rank = context.rank(x)
    if rank < 3:
        raise InvalidModelError(f"an input of rank {rank} has no three axes", where=context.where)
    axes = context.constant(list(range(rank - 3, rank)))
    total = context.op("ReduceSumSquare", x, axes, keepdims=1)
    epsilon = context.like(float(context.const("epsilon", 1e-6)), x)
    context.output(context.op("Div", x, context.op("Sqrt", context.op("Add", total, epsilon))))


@converts("local_response_norm")
def convert_local_response_norm(context: MilContext) -> None:
    """x / (k + α/size · Σ x²)^β, the sum over ``size`` neighbouring channels, of which more lie behind."""
    x = context.value("x")
    shape = context.static_shape(x)
    size = int(context.const("size"))
    if size < 1:
        raise InvalidModelError(f"the window has {size} channels", where=context.where)
    alpha, beta, k = (
        float(context.const(name, default)) for name, default in (("alpha", 1e-4), ("beta", 0.75), ("k", 1.0))
    )
    # The sum is an average pool along the channels as a spatial axis, padded with zeros that count.
    before, after = (size - 1) // 2, size - 1 - (size - 1) // 2
    flat = context.op(
        "Reshape", context.op("Mul", x, x), context.constant([shape[0], 1, shape[1], math.prod(shape[2:])])
    )
    padded = context.op("Pad", flat, context.constant([0, 0, before, 0, 0, 0, after, 0]))
    mean = context.op("AveragePool", padded, kernel_shape=[size, 1], strides=[1, 1], auto_pad="VALID")
    mean = context.op("Reshape", mean, context.constant(list(shape)))
    divisor = context.op("Add", context.op("Mul", mean, context.like(alpha, x)), context.like(k, x))
    context.output(context.op("Div", x, context.op("Pow", divisor, context.like(beta, x))))
