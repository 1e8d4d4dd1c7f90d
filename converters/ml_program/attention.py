"""Scaled dot-product attention."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import dtype_of


@converts("scaled_dot_product_attention")
def convert_scaled_dot_product_attention(context: MilContext) -> None:
    """softmax(Q Kᵀ / √E + mask) V over the last two axes; a bool mask tells which elements take part.

    Q is (..., L, E), K (..., S, E), V (..., S, EV), the mask broadcasts to (..., L, S).
    """
    query, key, value = (context.value(name) for name in ("query", "key", "value"))
    rank, width = context.rank(query), context.shape(query)[-1:]
    if rank < 3 or context.rank(key) != rank or context.rank(value) != rank:
        raise InvalidModelError("query, key and value need the same rank of 3 or more", where=context.where)
    if not width or not isinstance(width[0], int):
        raise InvalidModelError("the size of the query's vectors is unknown", where=context.where)
    scaled = context.op("Mul", query, context.like(1 / math.sqrt(width[0]), query))
    transposed = context.op("Transpose", key, perm=[*range(rank - 2), rank - 1, rank - 2])
    scores = context.op("MatMul", scaled, transposed)
    mask = context.optional("attn_mask")
    if mask is not None:
        scores = _masked(context, scores, mask)
    weights = context.op("Softmax", scores, axis=rank - 1)
    context.output(context.op("MatMul", weights, value))


def _masked(context: MilContext, scores: ir.Value, mask: ir.Value) -> ir.Value:
    if dtype_of(mask) == np.bool_:
        return context.op("Where", mask, scores, context.like(-math.inf, scores))
    return context.op("Add", scores, mask)
