"""Activation functions: all of ``keras.activations``, wherever they stand.

Each function takes a tensor as it is stored and gives one stored alike.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from mltoolkit.converters.keras.context import LayerContext
from mltoolkit.converters.keras.tensors import Tensor

Activation = Callable[..., Tensor]
_SELU = {"alpha": 1.6732632423543772, "gamma": 1.0507009873554805}


def activated(context: LayerContext, tensor: Tensor, attribute: str = "activation") -> Tensor:
    """A tensor after the function that the layer has as its ``activation``."""
    return activate(context, tensor, getattr(context.source, attribute))


def activate(context: LayerContext, tensor: Tensor, function: Any) -> Tensor:
    """A tensor after an activation function: one of Keras, a layer, or any function of ``keras.ops``."""
    if function is None:
        return tensor
    parameters: dict[str, Any] = {}
    while isinstance(function, functools.partial) and not function.args:
        parameters = {**function.keywords, **parameters}
        function = function.func
    name = getattr(function, "__name__", "")
    module = getattr(function, "__module__", "") or ""
    if module.startswith(("keras.src.activations", "keras.src.ops")) and name in ACTIVATIONS:
        defaults = {
            key: parameter.default
            for key, parameter in inspect.signature(function).parameters.items()
            if parameter.default is not parameter.empty
        }
        return ACTIVATIONS[name](context, tensor, **{**defaults, **parameters})
    return context.apply(function, tensor, **parameters)[0]


def _standard(op_type: str, **attributes: Any) -> Activation:
    """An operator of ONNX."""

    def apply(context: LayerContext, x: Tensor) -> Tensor:
        return Tensor(context.op(op_type, x.value, **attributes), x.moved)

    return apply


def relu(
    context: LayerContext,
    x: Tensor,
    negative_slope: float = 0.0,
    max_value: float | None = None,
    threshold: float = 0.0,
) -> Tensor:
    """``slope · (x − threshold)`` below the threshold, else x, at most max_value."""
    value = x.value
    if threshold:
        below = context.op("Less", value, context.constant(float(threshold)))
        shifted = context.op("Sub", value, context.constant(float(threshold)))
        lower = context.op("Mul", shifted, context.constant(float(negative_slope)))
        value = context.op("Where", below, lower, value)
    elif negative_slope:
        value = context.op("LeakyRelu", value, alpha=float(negative_slope))
    elif max_value is None:
        value = context.op("Relu", value)
    if max_value is not None:
        low = None if negative_slope else context.constant(0.0)
        value = context.op("Clip", value, low, context.constant(float(max_value)))
    return Tensor(value, x.moved)


def leaky_relu(context: LayerContext, x: Tensor, negative_slope: float = 0.2) -> Tensor:
    """X, or slope · x below 0."""
    return Tensor(context.op("LeakyRelu", x.value, alpha=float(negative_slope)), x.moved)


def elu(context: LayerContext, x: Tensor, alpha: float = 1.0) -> Tensor:
    """X, or alpha · (eˣ − 1) below 0."""
    return Tensor(context.op("Elu", x.value, alpha=float(alpha)), x.moved)


def celu(context: LayerContext, x: Tensor, alpha: float = 1.0) -> Tensor:
    """X, or alpha · (eˣᐟᵅ − 1) below 0."""
    return Tensor(context.op("Celu", x.value, alpha=float(alpha)), x.moved)


def gelu(context: LayerContext, x: Tensor, approximate: bool = False) -> Tensor:
    """X · Φ(x), by erf or by tanh."""
    return Tensor(context.op("Gelu", x.value, approximate="tanh" if approximate else "none"), x.moved)


def silu(context: LayerContext, x: Tensor) -> Tensor:
    """X · sigmoid(x)."""
    return Tensor(context.op("Mul", x.value, context.op("Sigmoid", x.value)), x.moved)


def tanh_shrink(context: LayerContext, x: Tensor) -> Tensor:
    """X − tanh(x)."""
    return Tensor(context.op("Sub", x.value, context.op("Tanh", x.value)), x.moved)


def hard_tanh(context: LayerContext, x: Tensor) -> Tensor:
    """X within −1 … 1."""
    return Tensor(context.op("Clip", x.value, context.constant(-1.0), context.constant(1.0)), x.moved)


def hard_shrink(context: LayerContext, x: Tensor, threshold: float = 0.5) -> Tensor:
    """X where abs(x) > threshold, else 0."""
    return Tensor(context.op("Shrink", x.value, lambd=float(threshold), bias=0.0), x.moved)


def soft_shrink(context: LayerContext, x: Tensor, threshold: float = 0.5) -> Tensor:
    """X moved towards 0 by the threshold, 0 within it."""
    return Tensor(context.op("Shrink", x.value, lambd=float(threshold), bias=float(threshold)), x.moved)


def threshold_function(context: LayerContext, x: Tensor, threshold: float, default_value: float) -> Tensor:
    """X above the threshold, else the default."""
    above = context.op("Greater", x.value, context.constant(float(threshold)))
    return Tensor(context.op("Where", above, x.value, context.constant(float(default_value))), x.moved)


def squareplus(context: LayerContext, x: Tensor, b: float = 4) -> Tensor:
    """(x + √(x² + b)) / 2."""
    root = context.op("Sqrt", context.op("Add", context.op("Mul", x.value, x.value), context.constant(float(b))))
    return Tensor(context.op("Mul", context.op("Add", x.value, root), context.constant(0.5)), x.moved)


def sparse_plus(context: LayerContext, x: Tensor) -> Tensor:
    """0 up to −1, (x + 1)² / 4 up to 1, then x: max(x, ramp²), ramp = (x + 1) / 2 within 0 … 1."""
    ramp = context.op("HardSigmoid", x.value, alpha=0.5, beta=0.5)
    return Tensor(context.op("Max", x.value, context.op("Mul", ramp, ramp)), x.moved)


def log_sigmoid(context: LayerContext, x: Tensor) -> Tensor:
    """−softplus(−x)."""
    return Tensor(context.op("Neg", context.op("Softplus", context.op("Neg", x.value))), x.moved)


def softmax(context: LayerContext, x: Tensor, axis: Any = -1) -> Tensor:
    """eˣ over its sum along an axis, or along several together; None: all."""
    return _normalized(context, x, axis, "Softmax")


def log_softmax(context: LayerContext, x: Tensor, axis: Any = -1) -> Tensor:
    """Logarithm of the softmax."""
    return _normalized(context, x, axis, "LogSoftmax")


def _normalized(context: LayerContext, x: Tensor, axis: Any, op_type: str) -> Tensor:
    if axis is None:
        axis = list(range(x.rank))
    if isinstance(axis, (list, tuple)) and len(axis) == 1:
        axis = axis[0]
    if not isinstance(axis, (list, tuple)):
        return Tensor(context.op(op_type, x.value, axis=x.stored_axis(axis)), x.moved)
    axes = sorted(x.stored_axis(one) for one in axis)
    if axes == list(range(axes[0], x.rank)) and all(isinstance(size, int) for size in x.stored_shape[axes[0] :]):
        # The axes at the end as one.
        joined = context.op("Flatten", x.value, axis=axes[0])
        result = context.op(op_type, joined, axis=1)
        sizes = [size if isinstance(size, int) else -1 for size in x.stored_shape]
        if sizes.count(-1) <= 1:
            return Tensor(context.op("Reshape", result, context.constant(sizes)), x.moved)
    where = context.constant(axes)
    shifted = context.op("Sub", x.value, context.op("ReduceMax", x.value, where, keepdims=1))
    powers = context.op("Exp", shifted)
    total = context.op("ReduceSum", powers, where, keepdims=1)
    if op_type == "LogSoftmax":
        return Tensor(context.op("Sub", shifted, context.op("Log", total)), x.moved)
    return Tensor(context.op("Div", powers, total), x.moved)


def glu(context: LayerContext, x: Tensor, axis: int = -1) -> Tensor:
    """The first half along an axis times the sigmoid of the second."""
    context.output_shapes = ()  # Keras does not say that the axis is halved
    first, second = context.builder.ops(
        "Split", x.value, attributes={"axis": x.stored_axis(axis), "num_outputs": 2}, names=("", "")
    )
    return Tensor(context.op("Mul", first, context.op("Sigmoid", second)), x.moved)


def sparsemax(context: LayerContext, x: Tensor, axis: int = -1) -> Tensor:
    """max(x − τ, 0), as Keras computes it.

    With z sorted downwards, Sᵢ = Σⱼ≤ᵢ zⱼ and k the number of places i (from 1) where 1 + i · zᵢ > Sᵢ, Keras takes
    τ = (Σᵢ≤ₖ Sᵢ − 1) / k, where Martins & Astudillo 2016 have (Sₖ − 1) / k.
    """
    place = x.stored_axis(axis)
    size = x.stored_shape[place]
    if not isinstance(size, int):
        context.refuse("sparsemax needs to know the size of its axis")
    ordered, _ = context.builder.ops(
        "TopK", x.value, context.constant([size]), attributes={"axis": place, "largest": 1}, names=("", "")
    )
    sums = context.op("CumSum", ordered, context.constant(place))
    counts = np.arange(1, size + 1, dtype=np.float32).reshape([size if i == place else 1 for i in range(x.rank)])
    one = context.constant(1.0)
    bounds = context.op("Add", context.op("Mul", ordered, context.constant(counts)), one)
    flags = context.op("Cast", context.op("Greater", bounds, sums), to=1)
    along = context.constant([place])
    count = context.op("ReduceSum", flags, along, keepdims=1)
    total = context.op("ReduceSum", context.op("Mul", sums, flags), along, keepdims=1)
    tau = context.op("Div", context.op("Sub", total, one), count)
    return Tensor(context.op("Relu", context.op("Sub", x.value, tau)), x.moved)


def linear(context: LayerContext, x: Tensor) -> Tensor:
    """X itself."""
    return x


ACTIVATIONS: dict[str, Activation] = {
    "celu": celu,
    "elu": elu,
    "exp": _standard("Exp"),
    "exponential": _standard("Exp"),
    "gelu": gelu,
    "glu": glu,
    "hard_shrink": hard_shrink,
    # relu6(x + 3) / 6
    "hard_sigmoid": _standard("HardSigmoid", alpha=1 / 6, beta=0.5),
    "hard_silu": _standard("HardSwish"),
    "hard_tanh": hard_tanh,
    "leaky_relu": leaky_relu,
    "linear": linear,
    "log_sigmoid": log_sigmoid,
    "log_softmax": log_softmax,
    "mish": _standard("Mish"),
    "relu": relu,
    "relu6": functools.partial(relu, max_value=6.0),
    "selu": _standard("Selu", **_SELU),
    "sigmoid": _standard("Sigmoid"),
    "silu": silu,
    "soft_shrink": soft_shrink,
    "softmax": softmax,
    "softplus": _standard("Softplus"),
    "softsign": _standard("Softsign"),
    "sparse_plus": sparse_plus,
    # (x + 1) / 2 within 0 … 1
    "sparse_sigmoid": _standard("HardSigmoid", alpha=0.5, beta=0.5),
    "sparsemax": sparsemax,
    "squareplus": squareplus,
    "tanh": _standard("Tanh"),
    "tanh_shrink": tanh_shrink,
    "threshold": threshold_function,
}
