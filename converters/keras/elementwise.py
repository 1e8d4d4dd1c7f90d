"""Element by element: merging layers, and arithmetic operations of ``keras.ops``."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.keras.broadcasting import aligned
from mltoolkit.converters.keras.context import LayerContext
from mltoolkit.converters.keras.registry import converts, converts_operation
from mltoolkit.converters.keras.tensors import Tensor
from mltoolkit.graph.builder import dtype_of

_LAYERS = {"Add": "Add", "Subtract": "Sub", "Multiply": "Mul", "Maximum": "Max", "Minimum": "Min", "Average": "Add"}
_OPERATIONS = {
    "Add": "Add",
    "Divide": "Div",
    "Maximum": "Max",
    "Minimum": "Min",
    "Multiply": "Mul",
    "Power": "Pow",
    "Subtract": "Sub",
    "TrueDivide": "Div",
}


@converts(*_LAYERS)
def convert_merge(context: LayerContext) -> Tensor:
    """Two or more inputs; those of lower rank get axes of size 1 behind the batch."""
    rank = max(tensor.rank for tensor in context.inputs)
    inputs = [_of_rank(context, tensor, rank) for tensor in context.inputs]
    result = functools.reduce(functools.partial(binary, context, _LAYERS[context.class_name]), inputs)
    if context.class_name == "Average":
        result = binary(context, "Div", result, context.operand(float(len(inputs)), result))
    return result


def _of_rank(context: LayerContext, tensor: Tensor, rank: int) -> Tensor:
    missing = rank - tensor.rank
    if not missing:
        return tensor
    axes = context.constant(list(range(1, 1 + missing)))
    return Tensor(context.op("Unsqueeze", context.layouts.logical(tensor), axes), mask=tensor.mask)


@converts_operation(*_OPERATIONS)
def convert_binary(context: LayerContext) -> Tensor:
    """Two operands, of which one may be a number or an array."""
    first, second = operands(context, context.args[:2])
    if context.class_name in ("Divide", "TrueDivide") and dtype_of(first.value).kind != "f":
        first, second = (replace(x, value=context.op("Cast", x.value, to=1)) for x in (first, second))
    return binary(context, _OPERATIONS[context.class_name], first, second)


def operands(context: LayerContext, values: Sequence[object]) -> list[Tensor]:
    """Arguments of an operation as tensors of one type, as Keras promotes them: bool, then integer, then float."""
    like = next(value for value in values if isinstance(value, Tensor))
    kind = dtype_of(like.value)
    for value in values:
        other = dtype_of(value.value) if isinstance(value, Tensor) else context.array(value).dtype
        kind = np.promote_types(kind, other) if "f" not in (kind.kind, other.kind) else np.dtype(np.float32)
    tensors = []
    for value in values:
        if not isinstance(value, Tensor):
            tensors.append(Tensor(context.constant(context.array(value).astype(kind))))
        elif dtype_of(value.value) != kind:
            onnx_type = ir.DataType.from_numpy(kind)
            tensors.append(Tensor(context.op("Cast", value.value, to=int(onnx_type)), value.moved))
        else:
            tensors.append(value)
    return tensors


def binary(context: LayerContext, op_type: str, first: Tensor, second: Tensor) -> Tensor:
    """An operator of ONNX on two tensors that broadcast."""
    values, moved = aligned(context, (first, second))
    return Tensor(context.op(op_type, *values), moved)
