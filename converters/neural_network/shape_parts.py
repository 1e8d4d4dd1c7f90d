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
    """A value in a shape put together from parts; -1 for a size that follows from the others."""
    return with_rank_of(context, context.builder.op("Reshape", value, joined(context, *parts)))


def with_rank_of(context: LayerContext, result: ir.Value) -> ir.Value:
    """The result of a node whose second input is its shape: of a rank that ONNX's inference may not see.

    The length of the shape is the rank of the result.
    """
    if result.shape is not None:
        return result
    node = result.producer()
    assert node is not None and node.inputs[1] is not None
    (rank,) = shape_of(node.inputs[1])
    if isinstance(rank, int):
        result.shape = ir.Shape([None] * rank)
    return result
