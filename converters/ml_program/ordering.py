"""Elements in order of size, where they are, running sums."""

from __future__ import annotations

import onnx_ir as ir

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.parameters import flag, whole_number
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.converters.ml_program.sizes import sizes_of
from mltoolkit.errors import InvalidModelError


@converts("topk")
def convert_topk(context: MilContext) -> None:
    """The k largest or smallest elements of an axis in order, and where they are; all of them with k = −1.

    Among equal ones the first come first. Programs since iOS 16 may leave the order open, or want no indices.
    """
    x = context.value("x")
    axis = context.axis(whole_number(context, "axis", -1), context.rank(x))
    wanted, size = whole_number(context, "k", 1, minimum=-1), context.shape(x)[axis]
    if isinstance(size, int) and wanted > size:
        raise InvalidModelError(f"k is {wanted} but axis {axis} has only {size} elements", where=context.where)
    count = context.constant([wanted]) if wanted >= 0 else sizes_of(context, x, axis, axis + 1)
    values, indices = _sorted(context, x, count, axis, ascending=flag(context, "ascending", False))
    context.output(values)
    if flag(context, "return_indices", True):
        context.output(indices, 1)


@converts("argsort")
def convert_argsort(context: MilContext) -> None:
    """The indices that sort an axis."""
    x = context.value("x")
    axis = context.axis(whole_number(context, "axis", -1), context.rank(x))
    count = sizes_of(context, x, axis, axis + 1)
    context.output(_sorted(context, x, count, axis, ascending=flag(context, "ascending", False))[1])


def _sorted(
    context: MilContext, x: ir.Value, count: ir.Value, axis: int, *, ascending: bool
) -> tuple[ir.Value, ir.Value]:
    attributes = {"axis": axis, "largest": int(not ascending), "sorted": 1}
    values, indices = context.builder.ops("TopK", x, count, attributes=attributes, names=("", ""))
    return values, indices


@converts("non_zero")
def convert_non_zero(context: MilContext) -> None:
    """The positions of all elements other than 0, (N, rank)."""
    context.output(context.op("Transpose", context.op("NonZero", context.value("x")), perm=[1, 0]))


@converts("cumsum")
def convert_cumsum(context: MilContext) -> None:
    """The sum of all elements of an axis up to each one."""
    x = context.value("x")
    axis = context.axis(whole_number(context, "axis", 0), context.rank(x))
    exclusive, reverse = (int(flag(context, name, False)) for name in ("exclusive", "reverse"))
    context.output(context.op("CumSum", x, context.constant(axis), exclusive=exclusive, reverse=reverse))
