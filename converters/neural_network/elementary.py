"""Elementary functions, element by element; the shape stays.

Source: NeuralNetwork.proto, messages CeilLayerParams … AtanhLayerParams, ClipLayerParams, ErfLayerParams,
Exp2LayerParams, GeluLayerParams and ClampedReLULayerParams.
"""

from __future__ import annotations

from typing import Any

from mltoolkit.converters.neural_network.activation import affine
from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.errors import InvalidModelError

_OPERATORS = {
    "acos": "Acos",
    "acosh": "Acosh",
    "asin": "Asin",
    "asinh": "Asinh",
    "atan": "Atan",
    "atanh": "Atanh",
    "ceil": "Ceil",
    "cos": "Cos",
    "cosh": "Cosh",
    "erf": "Erf",
    "floor": "Floor",
    # Halves go to the even neighbour, as in NumPy.
    "round": "Round",
    "sign": "Sign",
    "sin": "Sin",
    "sinh": "Sinh",
    "tan": "Tan",
    "tanh": "Tanh",
}
# GeluLayerParams.GeluMode
_EXACT, _TANH, _SIGMOID = 0, 1, 2


@converts(*_OPERATORS)
def elementary(context: LayerContext, layer: Any) -> None:
    """A function that ONNX has."""
    context.output(context.builder.op(_OPERATORS[layer.WhichOneof("layer")], context.input()))


@converts("exp2")
def exp2(context: LayerContext, layer: Any) -> None:
    """2 to the power of the input."""
    context.output(context.builder.op("Pow", context.builder.constant(2.0), context.input()))


@converts("clip")
def clip(context: LayerContext, layer: Any) -> None:
    """min(max(x, minVal), maxVal)."""
    params = layer.clip
    if not params.minVal <= params.maxVal:
        raise InvalidModelError(f"minVal is {params.minVal:g} where maxVal is {params.maxVal:g}", where=context.where)
    bounds = (context.builder.constant(float(bound)) for bound in (params.minVal, params.maxVal))
    context.output(context.builder.op("Clip", context.input(), *bounds))


@converts("clampedReLU")
def clamped_relu(context: LayerContext, layer: Any) -> None:
    """min(beta, x) for x ≥ 0, min(beta, alpha · x) below."""
    params = layer.clampedReLU
    slope = context.builder.op("LeakyRelu", context.input(), attributes={"alpha": float(params.alpha)})
    context.output(context.builder.op("Min", slope, context.builder.constant(float(params.beta))))


@converts("gelu")
def gelu(context: LayerContext, layer: Any) -> None:
    """x · Φ(x), exactly or by one of two approximations (Hendrycks and Gimpel, arXiv:1606.08415)."""
    mode = layer.gelu.mode
    value = context.input()
    if mode in (_EXACT, _TANH):
        attributes = {"approximate": "tanh" if mode == _TANH else "none"}
        context.output(context.builder.op("Gelu", value, attributes=attributes))
    elif mode == _SIGMOID:
        gate = context.builder.op("Sigmoid", affine(context, value, 1.702, 0))
        context.output(context.builder.op("Mul", value, gate))
    else:
        raise InvalidModelError(f"the GELU mode {mode} is not known", where=context.where)
