"""Indices into an axis, and what becomes of those outside it.

Before iOS 17 negative indices count from the end. Since then all operations with indices have
``validate_indices``, and a negative index lies outside: with it the prediction fails, without it "behavior
for out-of-bound indices is undefined but memory safe". Here such an index reads the nearest element, and
writes nothing.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.parameters import flag
from mltoolkit.errors import InvalidModelError

# An index that no axis has; onnxruntime refuses it.
_NOWHERE = 1 << 40


def counts_from_end(context: MilContext) -> bool:
    """Whether negative indices count from the end, as before iOS 17."""
    return not context.has("validate_indices")


def are_checked(context: MilContext) -> bool:
    """Whether an index outside lets the prediction fail."""
    return counts_from_end(context) or flag(context, "validate_indices", False)


def read_index(context: MilContext, limits: ir.Value) -> ir.Value:
    """The input ``indices`` of an operation that reads.

    Args:
        context: the operation.
        limits: sizes of the axes indexed, broadcast against the indices.

    Raises:
        InvalidModelError: a constant index lies outside.
    """
    indices = whole_indices(context)
    if _known_inside(context, indices, limits) or counts_from_end(context):
        return indices
    if are_checked(context):
        return _refused(context, indices)
    highest = context.op("Sub", limits, context.constant(1))
    return context.op("Max", context.op("Min", indices, highest), context.constant(0))


def write_index(context: MilContext, limits: ir.Value) -> tuple[ir.Value, bool]:
    """The input ``indices`` of an operation that writes, and whether some may lie outside.

    What lies outside then is the size of the axis, one behind its last element; see :func:`read_index`.
    """
    indices = whole_indices(context)
    if _known_inside(context, indices, limits) or counts_from_end(context):
        return indices, False
    if are_checked(context):
        return _refused(context, indices), False
    inside = context.op(
        "And",
        context.op("GreaterOrEqual", indices, context.constant(0)),
        context.op("Less", indices, limits),
    )
    return context.op("Where", inside, indices, limits), True


def whole_indices(context: MilContext) -> ir.Value:
    """The input ``indices``, which some programs hold in a floating type."""
    return context.cast(context.value("indices"), np.int64)


def _refused(context: MilContext, indices: ir.Value) -> ir.Value:
    """Indices of which onnxruntime refuses the negative ones, too."""
    negative = context.op("Less", indices, context.constant(0))
    return context.op("Where", negative, context.constant(_NOWHERE), indices)


def _known_inside(context: MilContext, indices: ir.Value, limits: ir.Value) -> bool:
    if indices.const_value is None or limits.const_value is None:
        return False
    numbers, sizes = indices.const_value.numpy(), limits.const_value.numpy()
    lowest = -sizes if counts_from_end(context) else np.zeros_like(sizes)
    try:
        inside = bool(((lowest <= numbers) & (numbers < sizes)).all())
    except ValueError as error:
        raise InvalidModelError(
            f"indices of shape {numbers.shape} do not fit {sizes.size} axes", where=context.where
        ) from error
    if not inside and are_checked(context):
        raise InvalidModelError(
            f"an index lies outside an axis of {sizes.reshape(-1).tolist()} elements", where=context.where
        )
    return inside
