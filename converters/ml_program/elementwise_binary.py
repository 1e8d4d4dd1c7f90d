"""Functions of two tensors, element by element, broadcast as NumPy does."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.graph.builder import dtype_of

_SAME = {"add": "Add", "maximum": "Max", "minimum": "Min", "mul": "Mul", "pow": "Pow", "sub": "Sub"}


def operands(context: MilContext) -> tuple[ir.Value, ir.Value]:
    """``x`` and ``y`` in one type: floating if one of them is."""
    x, y = context.value("x"), context.value("y")
    common = np.result_type(dtype_of(x), dtype_of(y))
    held = common if common.kind in "bi" else np.dtype(np.float32)
    return context.cast(x, held), context.cast(y, held)


@converts(*_SAME)
def convert_same(context: MilContext) -> None:
    """One ONNX operator."""
    context.output(context.op(_SAME[context.operation.type], *operands(context)))


@converts("real_div")
def convert_real_div(context: MilContext) -> None:
    """x / y; whole numbers are divided as whole numbers, rounded down."""
    x, y = operands(context)
    context.output(_floor_div(context, x, y) if dtype_of(x).kind == "i" else context.op("Div", x, y))


@converts("floor_div")
def convert_floor_div(context: MilContext) -> None:
    """⌊x / y⌋."""
    context.output(_floor_div(context, *operands(context)))


def _floor_div(context: MilContext, x: ir.Value, y: ir.Value) -> ir.Value:
    if dtype_of(x).kind == "i":
        # ONNX divides whole numbers towards zero; without the remainder there is nothing to round.
        return context.op("Div", context.op("Sub", x, context.op("Mod", x, y, fmod=0)), y)
    return context.op("Floor", context.op("Div", x, y))


@converts("mod")
def convert_mod(context: MilContext) -> None:
    """The remainder of x / y with the sign of y."""
    x, y = operands(context)
    if dtype_of(x).kind == "i":
        context.output(context.op("Mod", x, y, fmod=0))
        return
    # For floating types ONNX has C's fmod only, whose sign is that of x.
    remainder, zero = context.op("Mod", x, y, fmod=1), context.like(0, x)
    signs_differ = context.op("Xor", context.op("Less", remainder, zero), context.op("Less", y, zero))
    nonzero = context.op("Not", context.op("Equal", remainder, zero))
    corrected = context.op("Add", remainder, y)
    context.output(context.op("Where", context.op("And", signs_differ, nonzero), corrected, remainder))
