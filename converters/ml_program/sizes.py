"""Shapes as graph values, where some sizes are only known when the model runs."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.graph.builder import shape_of


def sizes_of(context: MilContext, value: ir.Value, start: int = 0, end: int | None = None) -> ir.Value:
    """The sizes of the axes ``start`` to ``end``, as a vector: a constant where they are known."""
    shape = shape_of(value)
    first, last, _ = slice(start, end).indices(len(shape))
    part = shape[first:last]
    known = [size for size in part if isinstance(size, int)]
    if len(known) == len(part):
        return context.constant(np.array(known, dtype=np.int64))
    return context.op("Shape", value, start=first, end=last)


def elements_of(context: MilContext, value: ir.Value, start: int = 0, end: int | None = None) -> ir.Value:
    """The product of the sizes of the axes ``start`` to ``end``, as a vector of one number."""
    part = shape_of(value)[start:end]
    known = [size for size in part if isinstance(size, int)]
    if len(known) == len(part):
        return context.constant([math.prod(known)])
    return context.op("ReduceProd", sizes_of(context, value, start, end), keepdims=1)


def reshaped(context: MilContext, value: ir.Value, *parts: ir.Value | list[int]) -> ir.Value:
    """A value in a shape put together from vectors; −1 for a size that follows from the others."""
    vectors = [context.constant(np.array(part, dtype=np.int64)) if isinstance(part, list) else part for part in parts]
    target = vectors[0] if len(vectors) == 1 else context.op("Concat", *vectors, axis=0)
    result = context.op("Reshape", value, target)
    if result.shape is None:
        # The length of the shape is the rank of the result, which ONNX's inference may not see.
        (rank,) = shape_of(target)
        if isinstance(rank, int):
            result.shape = ir.Shape([None] * rank)
    return result


def scalar(context: MilContext, value: ir.Value) -> ir.Value:
    """A tensor of one element without its axes."""
    return value if context.rank(value) == 0 else context.op("Reshape", value, _no_sizes(context))


def _no_sizes(context: MilContext) -> ir.Value:
    return context.constant(np.zeros(0, dtype=np.int64))


def counted(context: MilContext, count: ir.Value) -> ir.Value:
    """0, 1, … as far as a vector or scalar of one number says."""
    return context.op("Range", context.constant(0), scalar(context, count), context.constant(1))
