"""Comparisons and logic of two tensors, broadcast as NumPy does."""

from __future__ import annotations

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.elementwise_binary import operands
from mltoolkit.converters.ml_program.registry import converts

_SAME = {
    "equal": "Equal",
    "greater": "Greater",
    "greater_equal": "GreaterOrEqual",
    "less": "Less",
    "less_equal": "LessOrEqual",
    "logical_and": "And",
    "logical_or": "Or",
    "logical_xor": "Xor",
}


@converts(*_SAME)
def convert_same(context: MilContext) -> None:
    """One ONNX operator."""
    context.output(context.op(_SAME[context.operation.type], *operands(context)))


@converts("not_equal")
def convert_not_equal(context: MilContext) -> None:
    """x ≠ y."""
    context.output(context.op("Not", context.op("Equal", *operands(context))))
