"""Operations of ``keras.ops`` that reduce axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.keras.context import LayerContext
from mltoolkit.converters.keras.operations_unary import as_type, floating
from mltoolkit.converters.keras.registry import converts_operation
from mltoolkit.converters.keras.tensors import Tensor
from mltoolkit.graph.builder import dtype_of

_STANDARD = {
    "Amax": "ReduceMax",
    "Amin": "ReduceMin",
    "Logsumexp": "ReduceLogSumExp",
    "Max": "ReduceMax",
    "Mean": "ReduceMean",
    "Min": "ReduceMin",
    "Prod": "ReduceProd",
    "Sum": "ReduceSum",
}


@converts_operation(*_STANDARD)
def convert_reduction(context: LayerContext) -> Tensor:
    """One operator."""
    if getattr(context.source, "initial", None) is not None:
        context.refuse("it has an initial value", "keras.ops.maximum or minimum with that value")
    x = context.tensor()
    if context.class_name in ("Mean", "Logsumexp"):
        x = floating(context, x)
    elif dtype_of(x.value).kind == "b":
        x = as_type(context, x, np.dtype(np.int32))
    return reduced(context, _STANDARD[context.class_name], x, context.source.axis, context.source.keepdims)


@converts_operation("Var", "Std")
def convert_variance(context: LayerContext) -> Tensor:
    """The mean squared distance from the mean, or its root."""
    x = floating(context, context.tensor())
    value = variance(context, x, context.source.axis, context.source.keepdims)
    return value if context.class_name == "Var" else Tensor(context.op("Sqrt", value.value), value.moved)


@converts_operation("Moments")
def convert_moments(context: LayerContext) -> list[Tensor]:
    """Mean and variance."""
    x, axes, keep = floating(context, context.tensor()), context.source.axes, context.source.keepdims
    return [reduced(context, "ReduceMean", x, axes, keep), variance(context, x, axes, keep)]


def variance(context: LayerContext, x: Tensor, axis: Any, keepdims: bool) -> Tensor:
    """Mean of the squared distances from the mean."""
    mean = reduced(context, "ReduceMean", x, axis, keepdims=True)
    centred = context.op("Sub", x.value, mean.value)
    return reduced(context, "ReduceMean", Tensor(context.op("Mul", centred, centred), x.moved), axis, keepdims)


@converts_operation("All", "Any", "CountNonzero")
def convert_truths(context: LayerContext) -> Tensor:
    """Of truth values; numbers are true unless they are 0."""
    truth = as_type(context, context.tensor(), np.dtype(np.bool_))
    numbers = as_type(context, truth, np.dtype(np.int32))
    keep = bool(getattr(context.source, "keepdims", False))
    kind = {"All": "ReduceMin", "Any": "ReduceMax", "CountNonzero": "ReduceSum"}[context.class_name]
    result = reduced(context, kind, numbers, context.source.axis, keep)
    return result if kind == "ReduceSum" else as_type(context, result, np.dtype(np.bool_))


@converts_operation("Argmax", "Argmin")
def convert_arg(context: LayerContext) -> Tensor:
    """The place of the greatest or least along one axis, the first of equal ones; of all elements without an axis."""
    axis, keep = context.source.axis, bool(context.source.keepdims)
    op_type = "ArgMax" if context.class_name == "Argmax" else "ArgMin"
    if axis is None:
        if keep:
            context.refuse("it has keepdims and no axis", f"keras.ops.{op_type.lower()} with an axis")
        flat = context.op("Reshape", context.logical(), context.constant([-1]))
        return Tensor(context.op("Cast", context.op(op_type, flat, axis=0, keepdims=0), to=int(ir.DataType.INT32)))
    x = _reducible(context, context.tensor(), [axis], keep)
    place = context.op(op_type, x.value, axis=x.stored_axis(axis), keepdims=int(keep))
    return Tensor(context.op("Cast", place, to=int(ir.DataType.INT32)), _still_moved(x, [axis], keep))


@converts_operation("Norm")
def convert_norm(context: LayerContext) -> Tensor:
    """Vector norms of order 1, 2 (also "fro" of all elements) and infinity."""
    source = context.source
    x = floating(context, context.tensor())
    order, axis = source.ord, source.axis
    axes = list(axis) if isinstance(axis, (list, tuple)) else None if axis is None else [axis]
    matrix = (len(axes) if axes is not None else x.rank) == 2 and order is not None
    kinds = {None: "ReduceL2", "fro": "ReduceL2", 2: "ReduceL2", 1: "ReduceL1"}
    if (matrix and order != "fro") or order not in kinds:
        context.refuse(f"its order is {order}", "a vector norm of order 1 or 2")
    return reduced(context, kinds[order], x, axis, source.keepdims)


def reduced(context: LayerContext, op_type: str, x: Tensor, axis: Any, keepdims: bool) -> Tensor:
    """A Reduce operator over axes of Keras' order; None: all."""
    axes = list(range(x.rank)) if axis is None else [axis] if isinstance(axis, int) else list(axis)
    x = _reducible(context, x, axes, keepdims)
    stored = sorted(x.stored_axis(one) for one in axes)
    value = context.op(op_type, x.value, context.constant(stored), keepdims=int(bool(keepdims)))
    return Tensor(value, _still_moved(x, axes, keepdims))


def _reducible(context: LayerContext, x: Tensor, axes: Sequence[int], keepdims: bool) -> Tensor:
    """The tensor as it is, unless what remains would begin with its channels: they are at place 1 or at the end."""
    gone = {axis % x.rank for axis in axes}
    return context.layouts.unmoved(x) if not keepdims and 0 in gone and x.rank - 1 not in gone else x


def _still_moved(x: Tensor, axes: Sequence[int], keepdims: bool) -> bool:
    """Whether the channels are still out of place."""
    if not x.moved or keepdims:
        return x.moved
    gone = {axis % x.rank for axis in axes}
    return x.rank - 1 not in gone and x.rank - len(gone) >= 3
