"""Activation functions."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.errors import InvalidModelError, did_you_mean

_SAME = {
    "relu": "Relu",
    "sigmoid": "Sigmoid",
    "softplus": "Softplus",
    "softsign": "Softsign",
}
_GELU_MODES = ("EXACT", "TANH_APPROXIMATION", "SIGMOID_APPROXIMATION")


@converts(*_SAME)
def convert_same(context: MilContext) -> None:
    """One ONNX operator."""
    context.output(context.op(_SAME[context.operation.type], context.value("x")))


@converts("relu6")
def convert_relu6(context: MilContext) -> None:
    """min(max(x, 0), 6)."""
    context.output(context.op("Clip", context.value("x"), context.constant(0.0), context.constant(6.0)))


@converts("leaky_relu")
def convert_leaky_relu(context: MilContext) -> None:
    """x where x ≥ 0, else α·x."""
    context.output(context.op("LeakyRelu", context.value("x"), alpha=float(context.const("alpha"))))


@converts("clamped_relu")
def convert_clamped_relu(context: MilContext) -> None:
    """min(β, x where x ≥ 0, else α·x)."""
    x = context.op("LeakyRelu", context.value("x"), alpha=float(context.const("alpha")))
    context.output(context.op("Min", x, context.like(context.const("beta"), x)))


@converts("elu")
def convert_elu(context: MilContext) -> None:
    """x where x > 0, else α·(eˣ − 1)."""
    context.output(context.op("Elu", context.value("x"), alpha=float(context.const("alpha"))))


@converts("thresholded_relu")
def convert_thresholded_relu(context: MilContext) -> None:
    """x where x ≥ α, else 0 (ONNX's operator of that name leaves x = α out)."""
    x = context.value("x")
    below = context.op("Less", x, context.like(context.const("alpha"), x))
    context.output(context.op("Where", below, context.like(0, x), x))


@converts("linear_activation")
def convert_linear_activation(context: MilContext) -> None:
    """α·x + β."""
    x = context.value("x")
    scaled = context.op("Mul", x, context.like(context.const("alpha"), x))
    context.output(context.op("Add", scaled, context.like(context.const("beta"), x)))


@converts("scaled_tanh")
def convert_scaled_tanh(context: MilContext) -> None:
    """α·tanh(β·x)."""
    x = context.value("x")
    inner = context.op("Tanh", context.op("Mul", x, context.like(context.const("beta"), x)))
    context.output(context.op("Mul", inner, context.like(context.const("alpha"), x)))


@converts("sigmoid_hard")
def convert_sigmoid_hard(context: MilContext) -> None:
    """min(max(α·x + β, 0), 1)."""
    attributes = {name: float(context.const(name)) for name in ("alpha", "beta")}
    context.output(context.op("HardSigmoid", context.value("x"), **attributes))


@converts("silu")
def convert_silu(context: MilContext) -> None:
    """x·sigmoid(x)."""
    x = context.value("x")
    context.output(context.op("Mul", x, context.op("Sigmoid", x)))


@converts("gelu")
def convert_gelu(context: MilContext) -> None:
    """x·Φ(x), or one of its approximations."""
    x, mode = context.value("x"), context.const("mode", "EXACT")
    if mode not in _GELU_MODES:
        raise InvalidModelError(
            f"gelu has no mode {mode!r}", where=context.where, fix=did_you_mean(str(mode), _GELU_MODES)
        )
    if mode == "SIGMOID_APPROXIMATION":
        gate = context.op("Sigmoid", context.op("Mul", x, context.like(1.702, x)))
        context.output(context.op("Mul", x, gate))
        return
    context.output(context.op("Gelu", x, approximate="none" if mode == "EXACT" else "tanh"))


@converts("softmax")
def convert_softmax(context: MilContext) -> None:
    """exp(x) / Σ exp(x) along an axis."""
    x = context.value("x")
    axis = context.axis(context.const("axis", -1), context.rank(x))
    context.output(context.op("Softmax", x, axis=axis))


def _per_channel(context: MilContext, name: str, rank: int) -> ir.Value:
    """A constant of shape (C,) that broadcasts along axis 1 of a tensor."""
    values = np.asarray(context.const(name), dtype=np.float32).reshape(-1)
    return context.constant(values.reshape(-1, *(1,) * (rank - 2)), name)


@converts("prelu")
def convert_prelu(context: MilContext) -> None:
    """x where x > 0, else αᵢ·x with an α for each channel (axis 1)."""
    x = context.value("x")
    context.output(context.op("PRelu", x, _per_channel(context, "alpha", context.rank(x))))


@converts("softplus_parametric")
def convert_softplus_parametric(context: MilContext) -> None:
    """αᵢ·ln(1 + exp(βᵢ·x)) with an α and a β for each channel (axis 1)."""
    x = context.value("x")
    rank = context.rank(x)
    inner = context.op("Softplus", context.op("Mul", x, _per_channel(context, "beta", rank)))
    context.output(context.op("Mul", inner, _per_channel(context, "alpha", rank)))
