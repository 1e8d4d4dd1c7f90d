"""Reductions along axes."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.graph.builder import dtype_of

_OPERATORS = {
    "reduce_l1_norm": "ReduceL1",
    "reduce_l2_norm": "ReduceL2",
    "reduce_log_sum": "ReduceLogSum",
    "reduce_log_sum_exp": "ReduceLogSumExp",
    "reduce_max": "ReduceMax",
    "reduce_mean": "ReduceMean",
    "reduce_min": "ReduceMin",
    "reduce_prod": "ReduceProd",
    "reduce_sum": "ReduceSum",
    "reduce_sum_square": "ReduceSumSquare",
}
# onnxruntime has no kernel of the others for 64-bit integers.
_WITH_INTEGERS = ("ReduceMax", "ReduceMin", "ReduceProd", "ReduceSum")
_ARGUMENTS = {"reduce_argmax": "ArgMax", "reduce_argmin": "ArgMin"}


@converts(*_OPERATORS)
def convert_reduction(context: MilContext) -> None:
    """One ONNX operator. Whole numbers are reduced as such, or as floats that are then cut off."""
    operator, x = _OPERATORS[context.operation.type], context.value("x")
    axes = context.axes("axes", context.rank(x))
    through_float = dtype_of(x).kind == "i" and operator not in _WITH_INTEGERS
    reduced = context.op(
        operator,
        context.cast(x, np.float32) if through_float else x,
        context.constant(axes) if axes is not None else None,
        keepdims=int(context.const("keep_dims", False)),
    )
    context.output(context.cast(reduced, np.int64) if through_float else reduced)


@converts(*_ARGUMENTS)
def convert_argument(context: MilContext) -> None:
    """The index of the largest or smallest element, the first of equal ones."""
    x: ir.Value = context.value("x")
    axis = context.axis(context.const("axis", -1), context.rank(x))
    if dtype_of(x).kind == "i":
        x = context.cast(x, np.int32)
    keep = int(context.const("keep_dims", False))
    context.output(context.op(_ARGUMENTS[context.operation.type], x, axis=axis, keepdims=keep))
