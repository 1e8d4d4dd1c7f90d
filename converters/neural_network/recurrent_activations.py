"""Activations of recurrent layers.

Source: NeuralNetwork.proto, comment above SimpleRecurrentLayerParams: linear, sigmoid, tanh, ReLU, scaled
tanh alpha * tanh(beta * x) and hard sigmoid min(max(alpha * x + beta, 0), 1). coremltools' builder, and so
nearly every file, leaves alpha and beta unset. Apple's tests of recurrent layers (coremltools,
test_recurrent.py) show what Core ML takes them for then: linear is the identity, hard sigmoid has 0.2 and
0.5, scaled tanh is tanh. The comment's 1.7159 and 2/3 for scaled tanh, "currently only supported", are what a
file says that means them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import GraphBuilder

# "clip() is a function that constrains values between [-50.0, 50.0]"; it acts on what enters an activation.
INPUT_CLIP = 50.0

_OPERATORS = {
    "linear": "Affine",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "ReLU": "Relu",
    "scaledTanh": "ScaledTanh",
    "sigmoidHard": "HardSigmoid",
}
# Meant by a file that leaves alpha and beta unset.
_DEFAULTS = {"Affine": (1.0, 0.0), "ScaledTanh": (1.0, 1.0), "HardSigmoid": (0.2, 0.5)}


@dataclass(frozen=True)
class RecurrentActivation:
    """An activation under its name in the ONNX operators RNN, GRU and LSTM.

    Affine is alpha · x + beta, ScaledTanh alpha · tanh(beta · x), HardSigmoid min(max(alpha · x + beta, 0),
    1); Sigmoid, Tanh and Relu have no parameters.
    """

    operator: str
    alpha: float = 0.0
    beta: float = 0.0

    @property
    def is_gate(self) -> bool:
        """Whether f(x) always lies in 0..1."""
        return self.operator in ("Sigmoid", "HardSigmoid")

    @property
    def bound(self) -> float:
        """The largest |f(x)| for |x| ≤ 50."""
        if self.operator == "Affine":
            return abs(self.alpha) * INPUT_CLIP + abs(self.beta)
        if self.operator == "ScaledTanh":
            return abs(self.alpha)
        return INPUT_CLIP if self.operator == "Relu" else 1.0

    def emit(self, builder: GraphBuilder, value: ir.Value) -> ir.Value:
        """The activation as ordinary nodes."""

        def number(constant: float) -> ir.Value:
            return builder.constant(np.asarray(constant, dtype=np.float32))

        if self.operator == "Affine":
            if (self.alpha, self.beta) == _DEFAULTS["Affine"]:
                return value
            return builder.op("Add", builder.op("Mul", value, number(self.alpha)), number(self.beta))
        if self.operator == "ScaledTanh":
            return builder.op(
                "Mul", builder.op("Tanh", builder.op("Mul", value, number(self.beta))), number(self.alpha)
            )
        if self.operator == "HardSigmoid":
            return builder.op(self.operator, value, attributes={"alpha": self.alpha, "beta": self.beta})
        return builder.op(self.operator, value)


def read_activations(
    context: LayerContext, field: str, messages: Sequence[Any], count: int
) -> list[RecurrentActivation]:
    """The activations in a field of the current layer.

    Args:
        context: the layer's context.
        field: name of the field, for errors.
        messages: its ActivationParams messages.
        count: how many the layer needs.

    Raises:
        InvalidModelError: there is another number of them, or a recurrent layer cannot have one of them.
    """
    if len(messages) != count:
        raise InvalidModelError(
            f"{field} has {len(messages)} activations where {count} are needed", where=context.where
        )
    return [_read_activation(context, message) for message in messages]


def _read_activation(context: LayerContext, message: Any) -> RecurrentActivation:
    kind = message.WhichOneof("NonlinearityType")
    if kind not in _OPERATORS:
        raise InvalidModelError(
            f"the activation {kind} cannot be used in a recurrent layer" if kind else "an activation is not set",
            where=context.where,
            fix=f"Core ML knows {', '.join(_OPERATORS)} there",
        )
    operator = _OPERATORS[kind]
    if operator not in _DEFAULTS:
        return RecurrentActivation(operator)
    params = getattr(message, kind)
    alpha, beta = (params.alpha, params.beta) if params.alpha or params.beta else _DEFAULTS[operator]
    if not (math.isfinite(alpha) and math.isfinite(beta)):
        raise InvalidModelError(f"the activation {kind} has alpha {alpha} and beta {beta}", where=context.where)
    return RecurrentActivation(operator, alpha, beta)


def activation_attributes(activations: Sequence[RecurrentActivation]) -> dict[str, Any]:
    """Attributes of ONNX's RNN, GRU and LSTM: activations, their alpha and beta, the clipping before them.

    Args:
        activations: those of all directions, one direction after the other.
    """
    return {**operator_attributes(activations), "clip": INPUT_CLIP}


def operator_attributes(activations: Sequence[RecurrentActivation]) -> dict[str, Any]:
    """The attributes as :func:`activation_attributes` gives them, without clipping."""
    parametrised = [activation for activation in activations if activation.operator in _DEFAULTS]
    attributes: dict[str, Any] = {"activations": [activation.operator for activation in activations]}
    if parametrised:
        attributes["activation_alpha"] = [activation.alpha for activation in parametrised]
        attributes["activation_beta"] = [activation.beta for activation in parametrised]
    return attributes
