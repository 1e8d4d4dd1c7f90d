"""Axes turned round, wholly or as far as each sequence of a batch goes; bands of matrices."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.parameters import whole_number
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.errors import InvalidModelError

# An end that lies before the first element, whatever the size of the axis.
_BEFORE_FIRST = -(1 << 31)


@converts("reverse")
def convert_reverse(context: MilContext) -> None:
    """A slice with the step −1 of each axis named, or of all."""
    x = context.value("x")
    rank = context.rank(x)
    named = context.axes("axes", rank)
    axes = sorted(set(named)) if named is not None else list(range(rank))
    if not axes:
        context.output(x)
        return
    starts, ends, steps = ([number] * len(axes) for number in (-1, _BEFORE_FIRST, -1))
    context.output(context.op("Slice", x, *map(context.constant, (starts, ends, axes, steps))))


@converts("reverse_sequence")
def convert_reverse_sequence(context: MilContext) -> None:
    """The first ``lengths[b]`` elements of the sequence axis in reverse, for each b of the batch axis."""
    x, lengths = context.value("x"), context.cast(context.value("lengths"), np.int64)
    shape = context.shape(x)
    batch, sequence = (context.axis(whole_number(context, name, 0), len(shape)) for name in ("batch_axis", "seq_axis"))
    if batch == sequence:
        raise InvalidModelError("the batch axis is the sequence axis", where=context.where)
    given, needed = context.shape(lengths), shape[batch]
    if len(given) != 1 or (isinstance(given[0], int) and isinstance(needed, int) and given[0] != needed):
        raise InvalidModelError(
            f"the lengths have shape {given} where the batch axis has {needed} elements", where=context.where
        )
    # ONNX knows sequences along the first two axes only.
    front = [batch, sequence, *(axis for axis in range(len(shape)) if axis not in (batch, sequence))]
    moved = front != sorted(front)
    if moved:
        x = context.op("Transpose", x, perm=front)
    result = context.op("ReverseSequence", x, lengths, batch_axis=0, time_axis=1)
    if moved:
        result = context.op("Transpose", result, perm=[front.index(axis) for axis in range(len(shape))])
    context.output(result)


@converts("band_part")
def convert_band_part(context: MilContext) -> None:
    """Matrices of which ``lower`` diagonals below the main one and ``upper`` above stay; all if negative."""
    x = context.value("x")
    if context.rank(x) < 2:
        raise InvalidModelError(f"a tensor of shape {context.shape(x)} is no matrix", where=context.where)
    lower, upper = (whole_number(context, name, -1) for name in ("lower", "upper"))
    if lower >= 0:
        x = _triangle(context, x, -lower, upper=1)
    if upper >= 0:
        x = _triangle(context, x, upper, upper=0)
    context.output(x)


def _triangle(context: MilContext, x: ir.Value, diagonal: int, *, upper: int) -> ir.Value:
    return context.op("Trilu", x, context.constant(diagonal), upper=upper)
