"""Sums, means, extremes and norms along axes."""

from __future__ import annotations

from typing import Any

from mltoolkit.converters.mil.context import NodeContext
from mltoolkit.converters.mil.integers import is_integer, wrapped
from mltoolkit.converters.mil.kinds import cast_to_kind, kind_of
from mltoolkit.converters.mil.registry import writes

_OPERATIONS = {
    "ReduceSum": "reduce_sum",
    "ReduceMean": "reduce_mean",
    "ReduceMax": "reduce_max",
    "ReduceMin": "reduce_min",
    "ReduceProd": "reduce_prod",
    "ReduceL1": "reduce_l1_norm",
    "ReduceL2": "reduce_l2_norm",
    "ReduceLogSumExp": "reduce_log_sum_exp",
    "ReduceSumSquare": "reduce_sum_square",
}


@writes(*_OPERATIONS, "ReduceLogSum")
def write_reduction(node: NodeContext) -> Any:
    """A reduction along axes, all of them where none is given."""
    mb, x = node.mb, node.input(0)
    axes = node.ints(1, "axes")
    if not axes and node.attribute("noop_with_empty_axes", 0):
        return _of_single_elements(node, x)
    if x.rank == 0:
        return _of_single_elements(node, x)
    axes = sorted(axis + x.rank if axis < 0 else axis for axis in axes or range(x.rank))
    keep = bool(node.attribute("keepdims", 1))
    kind, dtype = kind_of(x), node.output_dtype()
    if kind == "i" and node.op_type in ("ReduceMean", "ReduceLogSum", "ReduceLogSumExp"):
        node.refuse("it takes whole numbers", f"{node.op_type} of floating numbers")
    if kind == "b" or (kind == "i" and node.op_type == "ReduceL2"):
        x = cast_to_kind(node, x, "i" if kind == "b" else "f")
    if node.op_type == "ReduceLogSum":
        # MIL's own adds a small number before it takes the logarithm.
        return mb.log(x=mb.reduce_sum(x=x, axes=axes, keep_dims=keep), epsilon=node.least_epsilon)
    result = getattr(mb, _OPERATIONS[node.op_type])(x=x, axes=axes, keep_dims=keep)
    result = cast_to_kind(node, result, kind)
    return wrapped(node, result, dtype) if is_integer(dtype) else result


def _of_single_elements(node: NodeContext, x: Any) -> Any:
    """The reduction of each element by itself."""
    mb = node.mb
    if node.op_type in ("ReduceL1", "ReduceL2"):
        return mb.abs(x=x)
    if node.op_type == "ReduceSumSquare":
        return mb.mul(x=x, y=x)
    if node.op_type == "ReduceLogSum":
        return mb.log(x=x, epsilon=node.least_epsilon)
    return mb.identity(x=x)
