"""Inner product (a fully connected layer).

Source: NeuralNetwork.proto, message InnerProductLayerParams, whose table of ranks is followed: up to rank 3
the last dimension holds the features; from rank 4 on (as with rank-5 blobs) C · H · W together are the
features, and the result is (..., outputChannels, 1, 1).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.errors import InvalidModelError, UnsupportedModelError
from mltoolkit.graph.builder import Dimension, shape_of


@converts("innerProduct")
def inner_product(context: LayerContext, layer: Any) -> None:
    """Gemm, or MatMul for ranks 1 and 3."""
    params = layer.innerProduct
    if params.int8DynamicQuantize:
        raise UnsupportedModelError("int8DynamicQuantize is not supported", where=context.where)
    for field in ("inputChannels", "outputChannels"):
        if getattr(params, field) < 1:
            raise InvalidModelError(f"{field} is 0", where=context.where)
    value = context.input()
    shape = shape_of(value)
    rank = len(shape)
    if not 1 <= rank <= 5:
        raise InvalidModelError(f"the layer takes blobs of rank 1 to 5, not {rank}", where=context.where)
    _check_features(context, shape[-3:] if rank >= 4 else shape[-1:], int(params.inputChannels))
    if rank in (1, 3):
        context.output(_matmul(context, value))
    elif rank == 2:
        context.output(_gemm(context, value))
    else:
        context.output(_flattened(context, value))


def _check_features(context: LayerContext, sizes: tuple[Dimension, ...], expected: int) -> None:
    known = [size for size in sizes if isinstance(size, int)]
    if len(known) == len(sizes) and math.prod(known) != expected:
        raise InvalidModelError(
            f"the layer expects {expected} input channels but gets {' × '.join(map(str, known))}",
            where=context.where,
        )


def _weights(context: LayerContext) -> tuple[Any, ir.Value | None]:
    params = context.params
    outputs = int(params.outputChannels)
    weights = context.weight("weights", (outputs, int(params.inputChannels)))
    bias = context.weight_constant(context.weight("bias", (outputs,)), "bias") if params.hasBias else None
    return weights, bias


def _gemm(context: LayerContext, matrix: ir.Value) -> ir.Value:
    weights, bias = _weights(context)
    constant = context.weight_constant(weights, "weights")
    return context.builder.op("Gemm", matrix, constant, bias, attributes={"transB": 1})


def _matmul(context: LayerContext, value: ir.Value) -> ir.Value:
    weights, bias = _weights(context)
    constant = context.weight_constant(np.ascontiguousarray(weights.T), "weights")
    product = context.builder.op("MatMul", value, constant)
    return product if bias is None else context.builder.op("Add", product, bias)


def _flattened(context: LayerContext, value: ir.Value) -> ir.Value:
    builder = context.builder
    shape = shape_of(value)
    rank = len(shape)
    product = _gemm(context, builder.op("Flatten", value, attributes={"axis": rank - 3}))
    if rank == 4:
        return builder.op("Unsqueeze", product, builder.constant([2, 3]))
    target = [*context.static_shape(value)[:2], int(context.params.outputChannels), 1, 1]
    return builder.op("Reshape", product, builder.constant(target))
