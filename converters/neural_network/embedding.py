"""Embedding: a row of a table for each index.

Source: NeuralNetwork.proto, message EmbeddingLayerParams. An index outside the table fails when the
model runs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import shape_of


@converts("embedding")
def embedding(context: LayerContext, layer: Any) -> None:
    """Gather, (..., 1, 1, 1) → (..., outputChannels, 1, 1)."""
    params = layer.embedding
    for field in ("inputDim", "outputChannels"):
        if getattr(params, field) < 1:
            raise InvalidModelError(f"{field} is 0", where=context.where)
    value = context.input()
    shape = shape_of(value)
    rank = len(shape)
    if rank not in (4, 5) or any(isinstance(size, int) and size != 1 for size in shape[-3:]):
        raise InvalidModelError(
            f"the layer takes indices of shape (N, 1, 1, 1) but gets shape {shape}", where=context.where
        )
    outputs = int(params.outputChannels)
    table = context.weight("weights", (outputs, int(params.inputDim))).T
    if params.hasBias:
        table = table + context.weight("bias", (outputs,))
    builder = context.builder
    indices = builder.op("Cast", value, attributes={"to": onnx.TensorProto.INT64})
    indices = builder.op("Squeeze", indices, builder.constant([rank - 3, rank - 2, rank - 1]))
    constant = context.weight_constant(np.ascontiguousarray(table), "weights")
    rows = builder.op("Gather", constant, indices, attributes={"axis": 0})
    context.output(builder.op("Unsqueeze", rows, builder.constant([rank - 2, rank - 1])))
