"""Embedding of indices of any rank: a row of a table for each.

Source: NeuralNetwork.proto, message EmbeddingNDLayerParams. An index outside the table fails when the model
runs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.operands import whole_numbers
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.converters.neural_network.sizes import stated_size
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import shape_of


@converts("embeddingND")
def embedding_nd(context: LayerContext, layer: Any) -> None:
    """Gather, (..., 1) → (..., embeddingSize)."""
    params = layer.embeddingND
    vocabulary = stated_size(context, "vocabSize", params.vocabSize)
    length = stated_size(context, "embeddingSize", params.embeddingSize)
    value = context.input()
    shape = shape_of(value)
    if len(shape) < 2 or (isinstance(shape[-1], int) and shape[-1] != 1):
        raise InvalidModelError(
            f"the layer takes indices of shape (…, 1) and rank 2 or more but gets shape {shape}",
            where=context.where,
        )
    table = context.weight("weights", (length, vocabulary)).T
    if params.hasBias:
        table = table + context.weight("bias", (length,))
    builder = context.builder
    indices = builder.op("Squeeze", whole_numbers(context, value), builder.constant([len(shape) - 1]))
    constant = context.weight_constant(np.ascontiguousarray(table), "weights")
    context.output(builder.op("Gather", constant, indices, attributes={"axis": 0}))
