"""Shapes put together from sizes that are known and sizes that are found when the model runs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.graph.builder import Dimension, known_shape, shape_of


class Axes(NamedTuple):
    """The sizes of the axes ``start`` to ``end`` of a value, as a part of a shape."""

    value: ir.Value
    start: int = 0
    end: int | None = None


Part = ir.Value | list[int] | Axes


def sizes_of(context: LayerContext, value: ir.Value, start: int = 0, end: int | None = None) -> ir.Value:
    """The sizes of the axes ``start`` to ``end`` as an int64 vector: a constant where they are known."""
    shape = shape_of(value)
    part = shape[start:end]
    known = [size for size in part if isinstance(size, int)]
    if len(known) == len(part):
        return context.builder.constant(np.array(known, dtype=np.int64))
    first, last, _ = slice(start, end).indices(len(shape))
    return context.builder.op("Shape", value, attributes={"start": first, "end": last})


def joined(context: LayerContext, *parts: Part) -> ir.Value:
    """One int64 vector of several parts: a constant where all are known."""
    builder = context.builder
    vectors = [_vector(context, part) for part in parts]
    constants: list[NDArray[np.int64]] = [
        vector.const_value.numpy() for vector in vectors if vector.const_value is not None
    ]
    if len(constants) == len(vectors):
        return builder.constant(np.concatenate(constants))
    return builder.op("Concat", *vectors, attributes={"axis": 0})


def _vector(context: LayerContext, part: Part) -> ir.Value:
    if isinstance(part, Axes):
        return sizes_of(context, *part)
    return part if isinstance(part, ir.Value) else context.builder.constant(np.array(part, dtype=np.int64))


def reshaped(context: LayerContext, value: ir.Value, *parts: list[int] | Axes) -> ir.Value:
    """A value in a shape of several parts, of which one size may be −1: what is left."""
    stated: list[Dimension] = []
    for part in parts:
        stated += shape_of(part.value)[part.start : part.end] if isinstance(part, Axes) else part
    # ONNX has no meaning for a shape with −1 in which 0 stands for itself.
    result = reshape(context, value, joined(context, *parts), zero_is_a_size=-1 not in stated)
    # Its inference knows no size of a shape of which any is unknown.
    inferred = known_shape(result) or [None] * len(stated)
    result.shape = ir.Shape(
        [size if isinstance(size, int) and size >= 0 else other for size, other in zip(stated, inferred, strict=True)]
    )
    return result


def reshape(context: LayerContext, value: ir.Value, shape: ir.Value, *, zero_is_a_size: bool = False) -> ir.Value:
    """ONNX's Reshape to a vector; where its values are unknown, its length still gives the rank."""
    result = context.builder.op("Reshape", value, shape, attributes={"allowzero": int(zero_is_a_size)})
    (rank,) = shape_of(shape)
    if result.shape is None and isinstance(rank, int):
        result.shape = ir.Shape([None] * rank)
    return result
