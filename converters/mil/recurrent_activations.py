"""The activations that LSTM, GRU and RNN name, with their parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mltoolkit.converters.mil.context import NodeContext

# The default parameters α and β of ONNX; only those that have one take one from the attributes.
_PARAMETERS: dict[str, tuple[float | None, float | None]] = {
    "affine": (1.0, 0.0),
    "elu": (1.0, None),
    "hardsigmoid": (0.2, 0.5),
    "leakyrelu": (0.01, None),
    "relu": (None, None),
    "scaledtanh": (1.0, 1.0),
    "sigmoid": (None, None),
    "softplus": (None, None),
    "softsign": (None, None),
    "tanh": (None, None),
    "thresholdedrelu": (1.0, None),
}


@dataclass(frozen=True)
class Activation:
    """An activation of a gate.

    Attributes:
        kind: ONNX's name in lower case.
        alpha: its first parameter, where it has one.
        beta: its second.
    """

    kind: str
    alpha: float
    beta: float

    @property
    def is_default_hard_sigmoid(self) -> bool:
        """Whether it is max(0, min(1, 0.2 · x + 0.5))."""
        return self.kind == "hardsigmoid" and np.allclose((self.alpha, self.beta), (0.2, 0.5))

    def native(self, network: bool) -> str | None:
        """What MIL's recurrent operations call it, None where they have none of these parameters.

        coremltools has no name for the hard sigmoid that both PyMIL and its writer of neural networks know.
        """
        if self.kind in ("relu", "sigmoid", "tanh"):
            return self.kind
        if self.is_default_hard_sigmoid:
            return "hard_sigmoid"
        if self.kind == "affine" and (self.alpha, self.beta) == (1.0, 0.0):
            return "linear"
        return None

    def emit(self, node: NodeContext, x: Any) -> Any:
        """The activation as operations of its own."""
        mb, alpha, beta = node.mb, self.alpha, self.beta
        if self.kind in ("relu", "sigmoid", "softplus", "softsign", "tanh"):
            return getattr(mb, self.kind)(x=x)
        if self.kind == "affine":
            return mb.linear_activation(x=x, alpha=alpha, beta=beta)
        if self.kind == "elu":
            return mb.elu(x=x, alpha=alpha)
        if self.kind == "hardsigmoid":
            return mb.sigmoid_hard(x=x, alpha=alpha, beta=beta)
        if self.kind == "leakyrelu":
            return mb.leaky_relu(x=x, alpha=alpha)
        if self.kind == "scaledtanh":
            return mb.scaled_tanh(x=x, alpha=alpha, beta=beta)
        above = mb.greater(x=x, y=np.float32(alpha))
        return mb.select(cond=above, a=x, b=np.float32(0))


# Sigmoid, tanh and hard sigmoid do not change beyond this in float32.
_SATURATED = 40.0


def clip_matters(node: NodeContext, activations: Sequence[Activation]) -> bool:
    """Whether the attribute ``clip`` changes what comes out of the activations."""
    limit = node.attribute("clip", None)
    if limit is None:
        return False
    saturating = all(item.kind in ("sigmoid", "tanh") or item.is_default_hard_sigmoid for item in activations)
    return not (saturating and float(limit) >= _SATURATED)


def read_activations(node: NodeContext, defaults: tuple[str, ...], directions: int) -> list[list[Activation]]:
    """The activations of each direction.

    Args:
        node: an LSTM, GRU or RNN.
        defaults: what it has without the attribute.
        directions: how many directions it has.
    """
    names = [name.lower() for name in node.attribute("activations", None) or [*defaults] * directions]
    if len(names) != len(defaults) * directions:
        node.refuse(f"it has {len(names)} activations where {len(defaults) * directions} are needed")
    alphas, betas = list(node.attribute("activation_alpha", [])), list(node.attribute("activation_beta", []))
    activations = []
    for name in names:
        if name not in _PARAMETERS:
            node.refuse(f"there is no activation {name!r}")
        alpha, beta = _PARAMETERS[name]
        # The attributes list a parameter only for the activations that have one, in their order.
        given_alpha = alphas.pop(0) if alpha is not None and alphas else alpha
        given_beta = betas.pop(0) if beta is not None and betas else beta
        activations.append(Activation(name, float(given_alpha or 0), float(given_beta or 0)))
    count = len(defaults)
    return [activations[start : start + count] for start in range(0, len(activations), count)]
