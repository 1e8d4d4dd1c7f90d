"""Operations of ``keras.ops`` that multiply and sum: matmul, dot, einsum, tensordot, outer."""

from __future__ import annotations

import math

import onnx_ir as ir

from mltoolkit.converters.keras.context import LayerContext
from mltoolkit.converters.keras.einsum import einsum
from mltoolkit.converters.keras.elementwise import operands
from mltoolkit.converters.keras.operations_unary import floating
from mltoolkit.converters.keras.registry import converts_operation
from mltoolkit.converters.keras.tensors import Tensor


def _floats(context: LayerContext, count: int) -> list[Tensor]:
    """The first arguments as float32, in Keras' order of axes."""
    tensors = (floating(context, x) for x in operands(context, context.args[:count]))
    return [context.layouts.unmoved(x) for x in tensors]


@converts_operation("Matmul")
def convert_matmul(context: LayerContext) -> Tensor:
    """Of matrices in the last two axes."""
    first, second = _floats(context, 2)
    return Tensor(context.op("MatMul", first.value, second.value))


@converts_operation("Dot")
def convert_dot(context: LayerContext) -> Tensor:
    """Over the last axis of the first and the last but one of the second."""
    first, second = _floats(context, 2)
    if first.rank == 0 or second.rank == 0:
        return Tensor(context.op("Mul", first.value, second.value))
    return tensordot(context, first, second, [first.rank - 1], [max(second.rank - 2, 0)])


@converts_operation("Tensordot")
def convert_tensordot(context: LayerContext) -> Tensor:
    """Over several axes of both."""
    first, second = _floats(context, 2)
    axes = context.source.axes
    if isinstance(axes, int):
        left, right = list(range(first.rank - axes, first.rank)), list(range(axes))
    else:
        left, right = ([one] if isinstance(one, int) else list(one) for one in axes)
    return tensordot(context, first, second, [a % first.rank for a in left], [a % second.rank for a in right])


def tensordot(context: LayerContext, first: Tensor, second: Tensor, left: list[int], right: list[int]) -> Tensor:
    """Sums over pairs of axes, as one product of matrices."""
    rows = [axis for axis in range(first.rank) if axis not in left]
    columns = [axis for axis in range(second.rank) if axis not in right]
    sizes = [first.shape[axis] for axis in rows] + [second.shape[axis] for axis in columns]
    summed = [first.shape[axis] for axis in left]
    if not all(isinstance(size, int) for size in (*sizes, *summed)):
        context.refuse("the sizes of its inputs are only known when the model runs", "inputs of fixed size")
    inner = math.prod(int(size) for size in summed if isinstance(size, int))
    one = _matrix(context, first, rows + left, [-1, inner])
    other = _matrix(context, second, right + columns, [inner, -1])
    shape = context.constant([int(size) for size in sizes if isinstance(size, int)])
    return Tensor(context.op("Reshape", context.op("MatMul", one, other), shape))


def _matrix(context: LayerContext, x: Tensor, order: list[int], sizes: list[int]) -> ir.Value:
    value = x.value if order == list(range(x.rank)) else context.op("Transpose", x.value, perm=order)
    return value if x.rank == 2 else context.op("Reshape", value, context.constant(sizes))


@converts_operation("Outer")
def convert_outer(context: LayerContext) -> Tensor:
    """Each element of one vector times each of another."""
    first, second = _floats(context, 2)
    column = context.op("Reshape", first.value, context.constant([-1, 1]))
    return Tensor(context.op("Mul", column, context.op("Reshape", second.value, context.constant([1, -1]))))


@converts_operation("Einsum")
def convert_einsum(context: LayerContext) -> Tensor:
    """Any equation."""
    return Tensor(einsum(context, context.source.subscripts, [x.value for x in _floats(context, len(context.args))]))
