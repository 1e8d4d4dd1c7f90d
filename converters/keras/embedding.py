"""Vectors of integers: Embedding; and Masking."""

from __future__ import annotations

import numpy as np

from mltoolkit.converters.keras.context import LayerContext
from mltoolkit.converters.keras.operations_unary import as_type
from mltoolkit.converters.keras.registry import converts
from mltoolkit.converters.keras.tensors import Mask, Tensor


@converts("Embedding")
def convert_embedding(context: LayerContext) -> Tensor:
    """A row of a table for each integer."""
    return _looked_up(context)


def _looked_up(context: LayerContext) -> Tensor:
    """With mask_zero the integers that are 0 do not count."""
    numbers = as_type(context, Tensor(context.logical()), np.dtype(np.int32)).value
    value = context.op("Gather", context.constant(context.needed_weight("embeddings")), numbers, axis=0)
    if not getattr(context.source, "mask_zero", False):
        return Tensor(value)
    is_zero = context.op("Equal", numbers, context.constant(np.zeros((), np.int32)))
    return Tensor(value, mask=Mask(context.op("Not", is_zero)))


@converts("ReversibleEmbedding")
def convert_reversible_embedding(context: LayerContext) -> Tensor:
    """An Embedding, or with reverse=True the product with its rows, squashed by a cap."""
    layer = context.source
    if not context.argument("reverse", False):
        return _looked_up(context)
    kernel = context.needed_weight("embeddings").T if layer.tie_weights else context.needed_weight("reverse_embeddings")
    value = context.op("MatMul", context.logical(), context.constant(np.ascontiguousarray(kernel)))
    cap = getattr(layer, "logit_soft_cap", None)
    if cap is not None:
        squashed = context.op("Tanh", context.op("Div", value, context.constant(float(cap))))
        value = context.op("Mul", squashed, context.constant(float(cap)))
    return Tensor(value)


@converts("Masking")
def convert_masking(context: LayerContext) -> Tensor:
    """Steps whose elements all equal a value become zeros and do not count."""
    x = context.tensor()
    value = context.logical()
    other = context.op("Not", context.op("Equal", value, context.operand(context.source.mask_value, x).value))
    last = context.constant([x.rank - 1])
    flags = context.op("ReduceMax", context.op("Cast", other, to=1), last, keepdims=1)
    counts = context.op("Cast", context.op("Squeeze", flags, last), to=9)
    return Tensor(context.op("Mul", value, flags), mask=Mask(counts))
