"""Activation functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from mltoolkit.converters.mil.context import NodeContext
from mltoolkit.converters.mil.kinds import kind_of, like
from mltoolkit.converters.mil.registry import writes

# ONNX's defaults for Selu.
_SELU_ALPHA, _SELU_GAMMA = 1.67326319217681884765625, 1.05070102214813232421875


@writes("Relu")
def write_relu(node: NodeContext) -> Any:
    """Relu."""
    x = node.input(0)
    return node.mb.relu(x=x) if kind_of(x) == "f" else node.mb.maximum(x=x, y=like(x, 0))


@writes("LeakyRelu")
def write_leaky_relu(node: NodeContext) -> Any:
    """LeakyRelu."""
    return node.mb.leaky_relu(x=node.input(0), alpha=np.float32(node.attribute("alpha", 0.01)))


@writes("PRelu")
def write_prelu(node: NodeContext) -> Any:
    """PRelu; one slope a channel is MIL's own form."""
    mb, x, slope = node.mb, node.input(0), node.constant(1)
    if kind_of(x) == "f" and slope is not None and 3 <= x.rank <= 5:
        shape = (1,) * (x.rank - slope.ndim) + slope.shape
        if slope.size == 1:
            return mb.leaky_relu(x=x, alpha=np.float32(slope.reshape(-1)[0]))
        if shape[1] == x.shape[1] and all(size == 1 for axis, size in enumerate(shape) if axis != 1):
            return mb.prelu(x=x, alpha=slope.reshape(-1).astype(np.float32))
    negative = mb.mul(x=mb.minimum(x=x, y=like(x, 0)), y=node.input(1))
    return mb.add(x=mb.maximum(x=x, y=like(x, 0)), y=negative)


@writes("Elu")
def write_elu(node: NodeContext) -> Any:
    """Elu."""
    return node.mb.elu(x=node.input(0), alpha=np.float32(node.attribute("alpha", 1.0)))


@writes("Selu")
def write_selu(node: NodeContext) -> Any:
    """Selu: gamma · elu(x)."""
    alpha, gamma = node.attribute("alpha", _SELU_ALPHA), node.attribute("gamma", _SELU_GAMMA)
    return node.mb.mul(x=node.mb.elu(x=node.input(0), alpha=np.float32(alpha)), y=np.float32(gamma))


@writes("Celu")
def write_celu(node: NodeContext) -> Any:
    """Celu: alpha · elu(x / alpha)."""
    mb, alpha = node.mb, np.float32(node.attribute("alpha", 1.0))
    inside = mb.elu(x=mb.real_div(x=node.input(0), y=alpha), alpha=np.float32(1))
    return mb.mul(x=inside, y=alpha)


@writes("Gelu")
def write_gelu(node: NodeContext) -> Any:
    """Gelu, exact or by tanh."""
    modes = {"none": "EXACT", "tanh": "TANH_APPROXIMATION"}
    return node.mb.gelu(x=node.input(0), mode=modes[node.attribute("approximate", "none")])


@writes("HardSigmoid")
def write_hard_sigmoid(node: NodeContext) -> Any:
    """HardSigmoid."""
    alpha, beta = node.attribute("alpha", 0.2), node.attribute("beta", 0.5)
    return node.mb.sigmoid_hard(x=node.input(0), alpha=np.float32(alpha), beta=np.float32(beta))


@writes("HardSwish")
def write_hard_swish(node: NodeContext) -> Any:
    """HardSwish: x · hard sigmoid(x) with slope 1/6."""
    x = node.input(0)
    return node.mb.mul(x=x, y=node.mb.sigmoid_hard(x=x, alpha=np.float32(1 / 6), beta=np.float32(0.5)))


@writes("Mish")
def write_mish(node: NodeContext) -> Any:
    """Mish: x · tanh(softplus(x))."""
    x = node.input(0)
    return node.mb.mul(x=x, y=node.mb.tanh(x=node.mb.softplus(x=x)))


@writes("Softplus", "Softsign")
def write_soft(node: NodeContext) -> Any:
    """Softplus and Softsign."""
    return getattr(node.mb, node.op_type.lower())(x=node.input(0))


@writes("ThresholdedRelu")
def write_thresholded_relu(node: NodeContext) -> Any:
    """ThresholdedRelu: x above alpha (MIL's own keeps alpha itself), else 0."""
    mb, x = node.mb, node.input(0)
    above = mb.greater(x=x, y=np.float32(node.attribute("alpha", 1.0)))
    return mb.select(cond=above, a=x, b=_zeros(node, x))


@writes("Shrink")
def write_shrink(node: NodeContext) -> Any:
    """Shrink: x + bias below -lambd, x - bias above lambd, else 0."""
    mb, x = node.mb, node.input(0)
    bias, limit = node.attribute("bias", 0.0), node.attribute("lambd", 0.5)
    if kind_of(x) != "f":
        node.refuse("it shrinks whole numbers", "Shrink of floating numbers")
    inner = mb.select(cond=mb.greater(x=x, y=np.float32(limit)), a=mb.sub(x=x, y=np.float32(bias)), b=_zeros(node, x))
    return mb.select(cond=mb.less(x=x, y=np.float32(-limit)), a=mb.add(x=x, y=np.float32(bias)), b=inner)


@writes("Clip")
def write_clip(node: NodeContext) -> Any:
    """Clip with limits that may be left out, or computed."""
    mb, x = node.mb, node.input(0)
    low, high = node.constant(1), node.constant(2)
    fixed = (low is not None or not node.has(1)) and (high is not None or not node.has(2))
    if kind_of(x) == "f" and fixed and low is not None and high is not None and low <= high:
        least, most = np.float32(low.reshape(())), np.float32(high.reshape(()))
        if least == 0 and most == 6:
            return mb.relu6(x=x)
        if np.isfinite(least) and np.isfinite(most):
            return mb.clip(x=x, alpha=least, beta=most)
    for index, operation in ((1, mb.maximum), (2, mb.minimum)):
        if node.has(index):
            known = node.constant(index)
            limit = node.input(index) if known is None else node.const(known.reshape(()))
            x = operation(x=x, y=limit)
    return mb.identity(x=x) if not node.has(1) and not node.has(2) else x


def _zeros(node: NodeContext, x: Any) -> Any:
    """A zero that a selection broadcasts."""
    return np.zeros((1,) * x.rank, np.float32)[()]
