"""Functions of one tensor, element by element."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.errors import UnsupportedModelError, did_you_mean
from mltoolkit.graph.builder import dtype_of

# The ONNX operators that compute exactly what the MIL operation of the same meaning does.
_SAME = {
    "abs": "Abs",
    "acos": "Acos",
    "asin": "Asin",
    "atan": "Atan",
    "atanh": "Atanh",
    "ceil": "Ceil",
    "cos": "Cos",
    "cosh": "Cosh",
    "erf": "Erf",
    "exp": "Exp",
    "floor": "Floor",
    "logical_not": "Not",
    "round": "Round",  # both round halves to even
    "sign": "Sign",
    "sin": "Sin",
    "sinh": "Sinh",
    "sqrt": "Sqrt",
    "tan": "Tan",
    "tanh": "Tanh",
}
# NumPy's type of each text that ``cast`` may name.
_CAST_TYPES = {
    "fp16": "float32",
    "fp32": "float32",
    "fp64": "float32",
    "int64": "int64",
    "uint64": "int64",
    "bool": "bool",
}
_NARROW_INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32")


@converts(*_SAME)
def convert_same(context: MilContext) -> None:
    """One ONNX operator."""
    context.output(context.op(_SAME[context.operation.type], context.value("x")))


@converts("square")
def convert_square(context: MilContext) -> None:
    """x²."""
    x = context.value("x")
    context.output(context.op("Mul", x, x))


@converts("exp2")
def convert_exp2(context: MilContext) -> None:
    """2ˣ."""
    x = context.value("x")
    context.output(context.op("Pow", context.like(2, x), x))


def _with_epsilon(default: float) -> Callable[[MilContext], ir.Value]:
    def plus_epsilon(context: MilContext) -> ir.Value:
        x = context.value("x")
        epsilon = float(context.const("epsilon", default))
        return context.op("Add", x, context.like(epsilon, x)) if epsilon else x

    return plus_epsilon


_for_inverse, _for_log, _for_rsqrt = _with_epsilon(1e-4), _with_epsilon(1e-45), _with_epsilon(1e-12)


@converts("inverse")
def convert_inverse(context: MilContext) -> None:
    """1 / (x + ε)."""
    context.output(context.op("Reciprocal", _for_inverse(context)))


@converts("log")
def convert_log(context: MilContext) -> None:
    """ln(x + ε)."""
    context.output(context.op("Log", _for_log(context)))


@converts("rsqrt")
def convert_rsqrt(context: MilContext) -> None:
    """1 / √(x + ε)."""
    context.output(context.op("Reciprocal", context.op("Sqrt", _for_rsqrt(context))))


@converts("threshold")
def convert_threshold(context: MilContext) -> None:
    """max(x, α)."""
    x = context.value("x")
    context.output(context.op("Max", x, context.like(context.const("alpha"), x)))


@converts("clip")
def convert_clip(context: MilContext) -> None:
    """min(max(x, α), β)."""
    x = context.value("x")
    low, high = context.like(context.const("alpha"), x), context.like(context.const("beta"), x)
    context.output(context.op("Clip", x, low, high))


@converts("cast")
def convert_cast(context: MilContext) -> None:
    """Another type; fractions are cut off, narrow integers wrap. Between floating types nothing happens."""
    x, name = context.value("x"), context.const("dtype")
    if name in _CAST_TYPES:
        context.output(context.cast(x, _CAST_TYPES[name]))
        return
    if name not in _NARROW_INTEGERS:
        raise UnsupportedModelError(
            f"the operation casts to the unknown type {name!r}",
            where=context.where,
            fix=did_you_mean(str(name), (*_CAST_TYPES, *_NARROW_INTEGERS)),
        )
    whole = context.cast(x, np.int64)
    if dtype_of(x) == np.bool_ or name in ("int32", "uint32"):
        context.output(whole)
        return
    context.output(context.cast(context.cast(whole, name), np.int64))
