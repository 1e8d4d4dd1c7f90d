"""Shapes put together from sizes that are known and sizes that are found when the model runs."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.graph.builder import shape_of


def sizes_of(context: LayerContext, value: ir.Value, start: int = 0, end: int | None = None) -> ir.Value:
    """The sizes of the axes ``start`` to ``end`` as an int64 vector: a constant where they are known."""
    shape = shape_of(value)
    part = shape[start:end]
    known = [size for size in part if isinstance(size, int)]
    if len(known) == len(part):
        return context.builder.constant(np.array(known, dtype=np.int64))
    first, last, _ = slice(start, end).indices(len(shape))
    return context.builder.op("Shape", value, attributes={"start": first, "end": last})


def joined(context: LayerContext, *parts: ir.Value | list[int]) -> ir.Value:
    """One int64 vector of several: a constant where all are."""
    builder = context.builder
    vectors = [
        builder.constant(np.array(part, dtype=np.int64)) if isinstance(part, list) else part for part in parts
    ]
    constants: list[NDArray[np.int64]] = [
        vector.const_value.numpy() for vector in vectors if vector.const_value is not None
    ]
    if len(constants) == len(vectors):
        return builder.constant(np.concatenate(constants))
    return builder.op("Concat", *vectors, attributes={"axis": 0})


def reshaped(context: LayerContext, value: ir.Value, *parts: ir.Value | list[int]) -> ir.Value:
    """A value in a shape of several parts: sizes, of which one may be −1, and vectors of :func:`sizes_of`."""
    # ONNX has no meaning for a shape with −1 in which 0 stands for itself.
    open_size = any(isinstance(part, list) and -1 in part for part in parts)
    return reshape(context, value, joined(context, *parts), zero_is_a_size=not open_size)


def reshape(
    context: LayerContext, value: ir.Value, shape: ir.Value, *, zero_is_a_size: bool = False
) -> ir.Value:
    """ONNX's Reshape to a vector; where its values are unknown, its length still gives the rank."""
    result = context.builder.op("Reshape", value, shape, attributes={"allowzero": int(zero_is_a_size)})
    (rank,) = shape_of(shape)
    if result.shape is None and isinstance(rank, int):
        result.shape = ir.Shape([None] * rank)
    return result
