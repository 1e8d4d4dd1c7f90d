"""Unary functions of scale · x + shift.

Source: NeuralNetwork.proto, message UnaryFunctionLayerParams.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx_ir as ir

from mltoolkit.converters.neural_network.activation import affine
from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.errors import InvalidModelError

DEFAULT_EPSILON = 1e-6

Function = Callable[[LayerContext, ir.Value, Any], ir.Value]


@converts("unary")
def unary(context: LayerContext, layer: Any) -> None:
    """One function, element by element; the shape stays."""
    params = layer.unary
    if not 0 <= params.type < len(_FUNCTIONS):
        raise InvalidModelError(f"the unary function {params.type} is not known", where=context.where)
    value = affine(context, context.input(), params.scale or 1.0, params.shift)
    context.output(_FUNCTIONS[params.type](context, value, params))


def _plain(operation: str) -> Function:
    return lambda context, value, params: context.builder.op(operation, value)


def _rsqrt(context: LayerContext, value: ir.Value, params: Any) -> ir.Value:
    return context.builder.op("Reciprocal", context.builder.op("Sqrt", _above_zero(context, value, params)))


def _inverse(context: LayerContext, value: ir.Value, params: Any) -> ir.Value:
    return context.builder.op("Reciprocal", _above_zero(context, value, params))


def _log(context: LayerContext, value: ir.Value, params: Any) -> ir.Value:
    """log(x + ε): the format's formula has no ε, but Apple's own tests of logarithms with one expect it.

    See coremltools, converters/mil/mil/ops/tests/iOS14/test_elementwise_unary.py.
    """
    return context.builder.op("Log", _above_zero(context, value, params))


def _above_zero(context: LayerContext, value: ir.Value, params: Any) -> ir.Value:
    return affine(context, value, 1, params.epsilon or DEFAULT_EPSILON)


def _power(context: LayerContext, value: ir.Value, params: Any) -> ir.Value:
    return context.builder.op("Pow", value, context.builder.constant(float(params.alpha)))


def _threshold(context: LayerContext, value: ir.Value, params: Any) -> ir.Value:
    return context.builder.op("Max", value, context.builder.constant(float(params.alpha)))


# By UnaryFunctionLayerParams.Operation: SQRT, RSQRT, INVERSE, POWER, EXP, LOG, ABS, THRESHOLD.
_FUNCTIONS: tuple[Function, ...] = (
    _plain("Sqrt"),
    _rsqrt,
    _inverse,
    _power,
    _plain("Exp"),
    _log,
    _plain("Abs"),
    _threshold,
)
