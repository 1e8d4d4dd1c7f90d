"""Numbers as categories: CategoryEncoding, Discretization."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.keras.context import LayerContext
from mltoolkit.converters.keras.operations_indexing import one_hot
from mltoolkit.converters.keras.operations_unary import floating
from mltoolkit.converters.keras.registry import converts
from mltoolkit.converters.keras.tensors import Tensor
from mltoolkit.graph.builder import shape_of


@converts("CategoryEncoding")
def convert_category_encoding(context: LayerContext) -> Tensor:
    """One column for each category: one_hot, multi_hot or how often each occurs."""
    layer = context.source
    weights = context.argument("count_weights")
    return encoded(context, context.logical(), layer.output_mode, int(layer.num_tokens), weights)


@converts("Discretization")
def convert_discretization(context: LayerContext) -> Tensor:
    """How many boundaries a number reaches."""
    layer = context.source
    if layer.bin_boundaries is None:
        context.refuse("it has no boundaries yet", "a layer after adapt(), or with bin_boundaries")
    x = floating(context, Tensor(context.logical()))
    boundaries = context.constant(np.asarray(layer.bin_boundaries, np.float32))
    column = context.op("Unsqueeze", x.value, context.constant([x.rank]))
    reached = context.op("Cast", context.op("GreaterOrEqual", column, boundaries), to=int(ir.DataType.INT32))
    places = context.op("ReduceSum", reached, context.constant([x.rank]), keepdims=0)
    return encoded(context, places, layer.output_mode, len(layer.bin_boundaries) + 1)


def encoded(context: LayerContext, places: ir.Value, mode: str, count: int, weights: Tensor | None = None) -> Tensor:
    """Categories (N, …) in one of Keras' modes."""
    if mode == "int":
        return Tensor(places)
    if mode == "one_hot":
        rank = len(shape_of(places))
        if rank > 1 and shape_of(places)[-1] == 1:
            places = context.op("Squeeze", places, context.constant([rank - 1]))
            rank -= 1
        return one_hot(context, places, count, rank)
    rank = len(shape_of(places))
    hot = one_hot(context, places, count, rank).value
    if weights is not None:
        column = context.op("Unsqueeze", context.layouts.logical(weights), context.constant([rank]))
        hot = context.op("Mul", hot, column)
    axis = context.constant([1 if rank > 1 else 0])
    return Tensor(context.op("ReduceMax" if mode == "multi_hot" else "ReduceSum", hot, axis, keepdims=0))
