"""Arithmetic, comparison and logic with NumPy's broadcasting."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from mltoolkit.converters.mil.context import NodeContext
from mltoolkit.converters.mil.integers import is_integer, is_unsigned, quotient, wrapped
from mltoolkit.converters.mil.kinds import cast_to_kind, kind_of, like
from mltoolkit.converters.mil.registry import writes

_ARITHMETIC = {"Add": "add", "Sub": "sub", "Mul": "mul"}
_COMPARISONS = {
    "Equal": "equal",
    "Greater": "greater",
    "GreaterOrEqual": "greater_equal",
    "Less": "less",
    "LessOrEqual": "less_equal",
}
_LOGIC = {"And": "logical_and", "Or": "logical_or", "Xor": "logical_xor"}
_VARIADIC = {"Max": "maximum", "Min": "minimum", "Sum": "add", "Mean": "add"}


@writes(*_ARITHMETIC)
def write_arithmetic(node: NodeContext) -> Any:
    """Add, Sub, Mul."""
    result = getattr(node.mb, _ARITHMETIC[node.op_type])(x=node.input(0), y=node.input(1))
    return wrapped(node, result, node.output_dtype())


@writes("Div")
def write_div(node: NodeContext) -> Any:
    """Div; of integers cut towards zero."""
    x, y, dtype = node.input(0), node.input(1), node.output_dtype()
    if is_integer(dtype):
        return wrapped(node, quotient(node, x, y, dtype), dtype)
    return node.mb.real_div(x=x, y=y)


@writes("Mod")
def write_mod(node: NodeContext) -> Any:
    """Mod with the divisor's sign, or with the dividend's as C's fmod."""
    mb, x, y, dtype = node.mb, node.input(0), node.input(1), node.output_dtype()
    if not node.attribute("fmod", 0) or is_unsigned(dtype):
        return mb.mod(x=x, y=y)
    size = mb.mod(x=mb.abs(x=x), y=mb.abs(x=y))
    negative = mb.cast(x=mb.less(x=x, y=like(x, 0)), dtype="int32" if is_integer(dtype) else "fp32")
    return mb.mul(x=size, y=mb.sub(x=like(x, 1), y=mb.mul(x=negative, y=like(x, 2))))


@writes("Pow")
def write_pow(node: NodeContext) -> Any:
    """Pow; the result has the type of the base."""
    mb, base, exponent = node.mb, node.input(0), node.input(1)
    known = node.constant(1)
    if known is not None and known.size and (known == known.reshape(-1)[0]).all() and known.size == 1:
        plain = float(known.reshape(-1)[0])
        if plain == 2 and len(node.shape(1)) <= len(node.shape(0)):
            return wrapped(node, mb.mul(x=base, y=base), node.output_dtype())
        if known.ndim <= len(node.shape(0)):
            exponent = node.const(known.reshape(()))
    elif known is not None and node.is_network:
        node.refuse("a neural network raises all elements to one constant power", "format='mlpackage'")
    if kind_of(base) == "f" or kind_of(exponent) == "f":
        result = mb.pow(x=cast_to_kind(node, base, "f"), y=cast_to_kind(node, exponent, "f"))
    else:
        result = mb.pow(x=base, y=exponent)
    return wrapped(node, cast_to_kind(node, result, kind_of(base)), node.output_dtype())


@writes(*_VARIADIC)
def write_variadic(node: NodeContext) -> Any:
    """Max, Min, Sum, Mean of any number of values."""
    values = node.inputs()
    operation = getattr(node.mb, _VARIADIC[node.op_type])
    result = functools.reduce(lambda x, y: operation(x=x, y=y), values)
    if node.op_type == "Mean" and len(values) > 1:
        result = node.mb.mul(x=result, y=np.float32(1 / len(values)))
    return result


@writes(*_COMPARISONS)
def write_comparison(node: NodeContext) -> Any:
    """Equal, Greater, GreaterOrEqual, Less, LessOrEqual."""
    x, y = node.input(0), node.input(1)
    if kind_of(x) == "b":
        x, y = cast_to_kind(node, x, "i"), cast_to_kind(node, y, "i")
    return getattr(node.mb, _COMPARISONS[node.op_type])(x=x, y=y)


@writes(*_LOGIC)
def write_logic(node: NodeContext) -> Any:
    """And, Or, Xor."""
    return getattr(node.mb, _LOGIC[node.op_type])(x=node.input(0), y=node.input(1))
