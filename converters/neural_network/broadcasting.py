"""Arithmetic of two inputs whose shapes broadcast as in NumPy.

Source: NeuralNetwork.proto, messages AddBroadcastableLayerParams … FloorDivBroadcastableLayerParams. The
remainder has the sign of the divisor, and the quotient is rounded down, as in Python and NumPy, after which
Apple's tests go.
"""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.operands import exact_inputs
from mltoolkit.converters.neural_network.registry import converts

_OPERATORS = {
    "addBroadcastable": "Add",
    "divideBroadcastable": "Div",
    "maxBroadcastable": "Max",
    "minBroadcastable": "Min",
    "multiplyBroadcastable": "Mul",
    "powBroadcastable": "Pow",
    "subtractBroadcastable": "Sub",
}


@converts(*_OPERATORS)
def arithmetic(context: LayerContext, layer: Any) -> None:
    """An operation that ONNX has."""
    operands = exact_inputs(context, 2)
    context.output(context.builder.op(_OPERATORS[layer.WhichOneof("layer")], *operands))


@converts("modBroadcastable")
def modulo(context: LayerContext, layer: Any) -> None:
    """x − y · ⌊x / y⌋."""
    dividend, divisor = exact_inputs(context, 2)
    context.output(_remainder(context, dividend, divisor))


@converts("floorDivBroadcastable")
def floor_divide(context: LayerContext, layer: Any) -> None:
    """⌊x / y⌋ of the exact quotient; x / 0 is not finite.

    A quotient rounded to float32 can reach the next whole number: 1 / 0.1 does.
    """
    builder = context.builder
    dividend, divisor = exact_inputs(context, 2)
    multiple = builder.op("Sub", dividend, _remainder(context, dividend, divisor))
    quotient = builder.op("Round", builder.op("Div", multiple, divisor))
    by_zero = builder.op("Equal", divisor, builder.constant(0.0))
    context.output(builder.op("Where", by_zero, builder.op("Div", dividend, divisor), quotient))


def _remainder(context: LayerContext, dividend: ir.Value, divisor: ir.Value) -> ir.Value:
    builder = context.builder
    zero = builder.constant(0.0)
    # ONNX has C's fmod for floats: a remainder with the dividend's sign.
    rest = builder.op("Mod", dividend, divisor, attributes={"fmod": 1})
    signs_differ = builder.op("Xor", builder.op("Less", rest, zero), builder.op("Less", divisor, zero))
    nonzero = builder.op("Not", builder.op("Equal", rest, zero))
    return builder.op("Where", builder.op("And", signs_differ, nonzero), builder.op("Add", rest, divisor), rest)
