"""Matrix products.

Since iOS 17 a constant may be of another type than the other operand, whose type the result has. The product
is computed as a floating one then, and cut off where the result is a whole number.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.declared import hub_type
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.errors import UnsupportedModelError
from mltoolkit.formats.mil_types import TensorType
from mltoolkit.graph.builder import dtype_of


def _transposed(context: MilContext, name: str) -> ir.Value:
    """An input with its last two axes exchanged; a constant is exchanged here."""
    rank = context.rank(name)
    if rank < 2:
        return context.value(name)
    if context.is_const(name):
        array = np.asarray(context.const(name))
        return context.constant(np.ascontiguousarray(np.swapaxes(array, -1, -2)), name)
    order = [*range(rank - 2), rank - 1, rank - 2]
    return context.op("Transpose", context.value(name), perm=order)


@converts("linear")
def convert_linear(context: MilContext) -> None:
    """x · weightᵀ + bias, (..., D_in) → (..., D_out)."""
    x, bias = context.value("x"), context.optional("bias")
    floating = all(dtype_of(value) == np.float32 for value in (x, context.value("weight"), bias or x))
    if context.rank(x) == 2 and floating:
        context.output(context.op("Gemm", x, context.value("weight"), bias, transB=1))
        return
    weight = _transposed(context, "weight")
    given = [x, weight] if bias is None else [x, weight, bias]
    x, weight, *rest = _in_one_type(context, given)
    product = context.op("MatMul", x, weight)
    context.output(_as_declared(context, context.op("Add", product, *rest) if rest else product))


@converts("matmul")
def convert_matmul(context: MilContext) -> None:
    """x · y over the last two axes, the others broadcast."""
    x = _transposed(context, "x") if context.const("transpose_x", False) else context.value("x")
    y = _transposed(context, "y") if context.const("transpose_y", False) else context.value("y")
    context.output(_as_declared(context, context.op("MatMul", *_in_one_type(context, [x, y]))))


def _in_one_type(context: MilContext, values: list[ir.Value]) -> list[ir.Value]:
    if len({dtype_of(value) for value in values}) == 1:
        return values
    return [context.cast(value, np.float32) for value in values]


def _as_declared(context: MilContext, value: ir.Value) -> ir.Value:
    declared = context.declared()
    return context.cast(value, hub_type(declared.element)) if isinstance(declared, TensorType) else value


@converts("einsum")
def convert_einsum(context: MilContext) -> None:
    """``nchw,nwhu->nchu`` or ``chw,whu->chu``, under any letters; axes of size 1 broadcast.

    A matrix product once the axis h stands before the others: onnxruntime's Einsum does not broadcast.
    """
    x, y = context.values("values")
    rank = context.rank(x)
    if _numbered(context.const("equation")) not in ("012,213->013", "0123,0324->0124") or rank not in (3, 4):
        raise UnsupportedModelError(
            f"the equation {context.const('equation')!r} is none that MIL knows", where=context.where
        )
    order = [*range(rank - 3), rank - 2, rank - 3, rank - 1]
    product = context.op("MatMul", context.op("Transpose", x, perm=order), context.op("Transpose", y, perm=order))
    context.output(context.op("Transpose", product, perm=order))


def _numbered(equation: str) -> str:
    """The equation with letters replaced by the order in which they appear."""
    letters = dict.fromkeys(letter for letter in equation if letter.isalpha())
    numbers = {letter: str(index) for index, letter in enumerate(letters)}
    return "".join(numbers.get(character, character) for character in equation if not character.isspace())
