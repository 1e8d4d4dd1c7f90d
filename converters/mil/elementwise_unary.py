"""Functions of one value."""

from __future__ import annotations

from typing import Any

import numpy as np

from mltoolkit.converters.mil.context import NodeContext
from mltoolkit.converters.mil.kinds import as_floats, kind_of, like
from mltoolkit.converters.mil.registry import writes

_OPERATIONS = {
    "Acos": "acos",
    "Asin": "asin",
    "Atan": "atan",
    "Ceil": "ceil",
    "Cos": "cos",
    "Cosh": "cosh",
    "Erf": "erf",
    "Exp": "exp",
    "Floor": "floor",
    "Round": "round",
    "Sigmoid": "sigmoid",
    "Sin": "sin",
    "Sinh": "sinh",
    "Sqrt": "sqrt",
    "Tan": "tan",
    "Tanh": "tanh",
    "Atanh": "atanh",
}
_INFINITY = np.float32(np.inf)


@writes(*_OPERATIONS)
def write_function(node: NodeContext) -> Any:
    """A function that MIL has under its own name."""
    return getattr(node.mb, _OPERATIONS[node.op_type])(x=node.input(0))


@writes("Abs", "Sign")
def write_abs_and_sign(node: NodeContext) -> Any:
    """Abs and Sign, of integers too."""
    x = node.input(0)
    if node.op_type == "Abs" and kind_of(x) == "i":
        return node.mb.abs(x=x)
    operation = getattr(node.mb, node.op_type.lower())
    return as_floats(node, x, lambda value: operation(x=value))


@writes("Neg")
def write_neg(node: NodeContext) -> Any:
    """Neg."""
    x = node.input(0)
    return node.mb.mul(x=x, y=like(x, -1))


@writes("Log")
def write_log(node: NodeContext) -> Any:
    """Log; MIL adds a small number to the value unless told otherwise."""
    mb, x = node.mb, node.input(0)
    result = mb.log(x=x, epsilon=node.least_epsilon)
    if not node.is_network:
        return result
    # A neural network always adds something, so that it knows no logarithm of 0.
    return mb.select(cond=mb.equal(x=x, y=np.float32(0)), a=np.full((1,) * x.rank, -np.inf, np.float32)[()], b=result)


@writes("Reciprocal")
def write_reciprocal(node: NodeContext) -> Any:
    """Reciprocal; MIL's own ``inverse`` adds 1e-4 to the value unless told otherwise."""
    return node.mb.real_div(x=np.float32(1), y=node.input(0))


@writes("Acosh")
def write_acosh(node: NodeContext) -> Any:
    """Acosh: log(x + sqrt(x - 1) · sqrt(x + 1))."""
    mb, x = node.mb, node.input(0)
    root = mb.mul(x=mb.sqrt(x=mb.sub(x=x, y=np.float32(1))), y=mb.sqrt(x=mb.add(x=x, y=np.float32(1))))
    return mb.log(x=mb.add(x=x, y=root), epsilon=node.least_epsilon)


@writes("Asinh")
def write_asinh(node: NodeContext) -> Any:
    """Asinh: sign(x) · log(|x| + sqrt(x² + 1)), which loses no digits for negative x."""
    mb, x = node.mb, node.input(0)
    size = mb.abs(x=x)
    root = mb.sqrt(x=mb.add(x=mb.mul(x=x, y=x), y=np.float32(1)))
    return mb.mul(x=mb.sign(x=x), y=mb.log(x=mb.add(x=size, y=root), epsilon=node.least_epsilon))


@writes("Not")
def write_not(node: NodeContext) -> Any:
    """Not."""
    return node.mb.logical_not(x=node.input(0))


@writes("IsNaN")
def write_is_nan(node: NodeContext) -> Any:
    """IsNaN: NaN alone differs from itself."""
    x = node.input(0)
    return node.mb.not_equal(x=x, y=x)


@writes("IsInf")
def write_is_inf(node: NodeContext) -> Any:
    """IsInf, of one sign or both."""
    mb, x = node.mb, node.input(0)
    positive, negative = node.attribute("detect_positive", 1), node.attribute("detect_negative", 1)
    if positive and negative:
        return mb.equal(x=mb.abs(x=x), y=_INFINITY)
    if not positive and not negative:
        node.refuse("it detects neither sign")
    return mb.equal(x=x, y=_INFINITY if positive else -_INFINITY)
