"""Comparisons and logic: 1.0 where something holds, else 0.0.

Source: NeuralNetwork.proto, messages GreaterThanLayerParams … LogicalNotLayerParams. An input of a logical
layer is false where it is 0, else true. Shapes broadcast as in NumPy.
"""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.operands import blob, exact_inputs
from mltoolkit.converters.neural_network.registry import converts

_COMPARISONS = {
    "equal": "Equal",
    "greaterEqual": "GreaterOrEqual",
    "greaterThan": "Greater",
    "lessEqual": "LessOrEqual",
    "lessThan": "Less",
    "notEqual": "Equal",
}
_LOGIC = {"logicalAnd": "And", "logicalOr": "Or", "logicalXor": "Xor"}


@converts(*_COMPARISONS)
def comparison(context: LayerContext, layer: Any) -> None:
    """Two inputs compared, or one with ``alpha``."""
    kind = layer.WhichOneof("layer")
    left, *rest = exact_inputs(context, 1, 2)
    right = rest[0] if rest else context.builder.constant(float(context.params.alpha))
    holds = context.builder.op(_COMPARISONS[kind], left, right)
    if kind == "notEqual":
        holds = context.builder.op("Not", holds)
    context.output(blob(context, holds))


@converts(*_LOGIC)
def logic(context: LayerContext, layer: Any) -> None:
    """And, or, exclusive or of two inputs."""
    left, right = (truth(context, value) for value in exact_inputs(context, 2))
    context.output(blob(context, context.builder.op(_LOGIC[layer.WhichOneof("layer")], left, right)))


@converts("logicalNot")
def logical_not(context: LayerContext, layer: Any) -> None:
    """1 where the input is 0, else 0."""
    context.output(blob(context, context.builder.op("Not", truth(context, context.input()))))


def truth(context: LayerContext, value: ir.Value) -> ir.Value:
    """A blob as booleans: true where it is not 0."""
    return context.builder.op("Cast", value, attributes={"to": ir.DataType.BOOL})
