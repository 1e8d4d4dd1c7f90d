"""Activation functions.

Source: NeuralNetwork.proto, messages ActivationReLU … ActivationParametricSoftplus.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.converters.neural_network.context import CHANNEL, LayerContext
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.errors import InvalidModelError

Activation = Callable[[LayerContext, ir.Value, Any], ir.Value]


@converts("activation")
def activation(context: LayerContext, layer: Any) -> None:
    """One nonlinearity, element by element; the shape stays."""
    kind = layer.activation.WhichOneof("NonlinearityType")
    if kind is None:
        raise InvalidModelError("no nonlinearity is set", where=context.where)
    function = _ACTIVATIONS[kind]
    context.output(function(context, context.input(), getattr(layer.activation, kind)))


def affine(context: LayerContext, value: ir.Value, scale: float, shift: float) -> ir.Value:
    """scale · value + shift, without the operations that would change nothing."""
    builder = context.builder
    if scale != 1:
        value = builder.op("Mul", value, builder.constant(float(scale)))
    if shift != 0:
        value = builder.op("Add", value, builder.constant(float(shift)))
    return value


def _linear(context: LayerContext, value: ir.Value, params: Any) -> ir.Value:
    return affine(context, value, params.alpha, params.beta)


def _plain(operation: str) -> Activation:
    return lambda context, value, params: context.builder.op(operation, value)


def _with_attributes(operation: str, *names: str) -> Activation:
    """An ONNX operation with the formula and the parameter names of the format."""

    def emit(context: LayerContext, value: ir.Value, params: Any) -> ir.Value:
        attributes = {name: float(getattr(params, name)) for name in names}
        return context.builder.op(operation, value, attributes=attributes)

    return emit


def _thresholded_relu(context: LayerContext, value: ir.Value, params: Any) -> ir.Value:
    if params.alpha == 0:
        return context.builder.op("Relu", value)
    # The format keeps x ≥ α, ONNX keeps x > α: no float32 lies between α and its predecessor.
    below = np.nextafter(np.float32(params.alpha), np.float32(-np.inf))
    return context.builder.op("ThresholdedRelu", value, attributes={"alpha": float(below)})


def _scaled_tanh(context: LayerContext, value: ir.Value, params: Any) -> ir.Value:
    inner = affine(context, value, params.beta, 0)
    return affine(context, context.builder.op("Tanh", inner), params.alpha, 0)


def _prelu(context: LayerContext, value: ir.Value, params: Any) -> ir.Value:
    slope = _per_channel(context, value, params, "alpha")
    if slope.size == 1:
        return context.builder.op("LeakyRelu", value, attributes={"alpha": float(slope.flat[0])})
    return context.builder.op("PRelu", value, context.weight_constant(slope, "alpha"))


def _parametric_softplus(context: LayerContext, value: ir.Value, params: Any) -> ir.Value:
    builder = context.builder
    alpha = context.weight_constant(_per_channel(context, value, params, "alpha"), "alpha")
    beta = context.weight_constant(_per_channel(context, value, params, "beta"), "beta")
    return builder.op("Mul", builder.op("Softplus", builder.op("Mul", value, beta)), alpha)


def _per_channel(context: LayerContext, value: ir.Value, params: Any, field: str) -> NDArray[np.float32]:
    """A parameter with one element a channel, or one for all, of shape (C, 1, 1) or (1, 1, 1)."""
    channels = context.size(value, CHANNEL)
    try:
        values = context.weight(field, (channels,), params=params)
    except InvalidModelError as error:
        try:
            values = context.weight(field, (1,), params=params)
        except InvalidModelError:
            raise error from None
    return values.reshape(-1, 1, 1)


_ACTIVATIONS: dict[str, Activation] = {
    "linear": _linear,
    "ReLU": _plain("Relu"),
    "leakyReLU": _with_attributes("LeakyRelu", "alpha"),
    "thresholdedReLU": _thresholded_relu,
    "PReLU": _prelu,
    "tanh": _plain("Tanh"),
    "scaledTanh": _scaled_tanh,
    "sigmoid": _plain("Sigmoid"),
    "sigmoidHard": _with_attributes("HardSigmoid", "alpha", "beta"),
    "ELU": _with_attributes("Elu", "alpha"),
    "softsign": _plain("Softsign"),
    "softplus": _plain("Softplus"),
    "parametricSoftplus": _parametric_softplus,
}
