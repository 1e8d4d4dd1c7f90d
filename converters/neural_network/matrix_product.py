"""Products of matrices that lie in the last two axes, or of a blob and a matrix of weights.

Source: NeuralNetwork.proto, message BatchedMatMulLayerParams.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.int8_product import read_int8, with_int8_input
from mltoolkit.converters.neural_network.operands import exact_inputs
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.converters.neural_network.sizes import stated_size
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import shape_of


@converts("batchedMatmul")
def batched_matmul(context: LayerContext, layer: Any) -> None:
    """MatMul of two inputs, (..., M, K) and (..., K, N) → (..., M, N), or of one, (..., K) → (..., N)."""
    params = layer.batchedMatmul
    operands = exact_inputs(context, 1, 2)
    if len(operands) == 1:
        context.output(_with_weights(context, operands[0]))
        return
    left = _matrices(context, operands[0], new_axis=0, transpose=params.transposeA)
    right = _matrices(context, operands[1], new_axis=1, transpose=params.transposeB)
    context.output(context.builder.op("MatMul", left, right))


def _matrices(context: LayerContext, value: ir.Value, new_axis: int, transpose: bool) -> ir.Value:
    """A vector made a matrix of one row (``new_axis`` 0) or column (1); matrices transposed if asked for."""
    builder = context.builder
    rank = len(shape_of(value))
    if rank == 0:
        raise InvalidModelError("the layer takes matrices but gets a single number", where=context.where)
    if rank == 1:
        value, rank = builder.op("Unsqueeze", value, builder.constant([new_axis])), 2
    if not transpose:
        return value
    order = [*range(rank - 2), rank - 1, rank - 2]
    return builder.op("Transpose", value, attributes={"perm": order})


def _with_weights(context: LayerContext, value: ir.Value) -> ir.Value:
    params = context.params
    rows = stated_size(context, "weightMatrixFirstDimension", params.weightMatrixFirstDimension)
    columns = stated_size(context, "weightMatrixSecondDimension", params.weightMatrixSecondDimension)
    size = shape_of(value)[context.axis(value, -1)]
    if isinstance(size, int) and size != rows:
        raise InvalidModelError(
            f"the weights have {rows} rows but the input's last axis has {size} elements", where=context.where
        )
    # The weights are stored column by column: the transposed matrix row by row, one row an output.
    if params.int8DynamicQuantize:
        codes, scale = read_int8(context, (columns, rows))
        product = with_int8_input(context, value, scale, lambda blob: _product(context, blob, codes))
    else:
        product = _product(context, value, context.weight("weights", (columns, rows)))
    if not params.hasBias:
        return product
    bias = context.stored_constant("bias", (columns,))
    return context.builder.op("Add", product, bias)


def _product(context: LayerContext, value: ir.Value, transposed: NDArray[np.float32]) -> ir.Value:
    weights = context.weight_constant(np.ascontiguousarray(transposed.T), "weights")
    return context.builder.op("MatMul", value, weights)
