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
from numpy.typing import NDArray

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.int8_product import read_int8, with_int8_input
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import Dimension, shape_of


@converts("innerProduct")
def inner_product(context: LayerContext, layer: Any) -> None:
    """Gemm, or MatMul for ranks 1 and 3."""
    params = layer.innerProduct
    for field in ("inputChannels", "outputChannels"):
        if getattr(params, field) < 1:
            raise InvalidModelError(f"{field} is 0", where=context.where)
    value = context.input()
    shape = shape_of(value)
    rank = len(shape)
    if not 1 <= rank <= 5:
        raise InvalidModelError(f"the layer takes blobs of rank 1 to 5, not {rank}", where=context.where)
    _check_features(context, shape[-3:] if rank >= 4 else shape[-1:], int(params.inputChannels))
    matrix = (int(params.outputChannels), int(params.inputChannels))
    if not params.int8DynamicQuantize:
        context.output(_product(context, value, biased=params.hasBias))
        return
    codes, scale = read_int8(context, matrix)
    bias = context.weight("bias", matrix[:1]) if params.hasBias else None
    result = with_int8_input(context, value, scale, lambda blob: _product(context, blob, codes, biased=False))
    if bias is not None:
        terms = context.weight_constant(bias.reshape(-1, 1, 1) if rank >= 4 else bias, "bias")
        result = context.builder.op("Add", result, terms)
    context.output(result)


def _check_features(context: LayerContext, sizes: tuple[Dimension, ...], expected: int) -> None:
    known = [size for size in sizes if isinstance(size, int)]
    if len(known) == len(sizes) and math.prod(known) != expected:
        raise InvalidModelError(
            f"the layer expects {expected} input channels but gets {' × '.join(map(str, known))}",
            where=context.where,
        )


def _product(
    context: LayerContext, value: ir.Value, codes: NDArray[np.float32] | None = None, *, biased: bool
) -> ir.Value:
    """The blob times the weights [outputChannels, inputChannels], or codes in their place, plus the bias."""
    rank = len(shape_of(value))
    weights = _weights(context, codes, transposed=rank in (1, 3))
    bias = context.stored_constant("bias", (int(context.params.outputChannels),)) if biased else None
    if rank in (1, 3):
        product = context.builder.op("MatMul", value, weights)
        return product if bias is None else context.builder.op("Add", product, bias)
    if rank == 2:
        return _gemm(context, value, weights, bias)
    return _flattened(context, value, weights, bias)


def _weights(context: LayerContext, codes: NDArray[np.float32] | None, *, transposed: bool) -> ir.Value:
    shape = (int(context.params.outputChannels), int(context.params.inputChannels))
    if codes is None and not transposed:
        return context.stored_constant("weights", shape)
    matrix = context.weight("weights", shape) if codes is None else codes
    return context.weight_constant(np.ascontiguousarray(matrix.T) if transposed else matrix, "weights")


def _gemm(context: LayerContext, matrix: ir.Value, weights: ir.Value, bias: ir.Value | None) -> ir.Value:
    return context.builder.op("Gemm", matrix, weights, bias, attributes={"transB": 1})


def _flattened(context: LayerContext, value: ir.Value, weights: ir.Value, bias: ir.Value | None) -> ir.Value:
    builder = context.builder
    rank = len(shape_of(value))
    product = _gemm(context, builder.op("Flatten", value, attributes={"axis": rank - 3}), weights, bias)
    if rank == 4:
        return builder.op("Unsqueeze", product, builder.constant([2, 3]))
    target = [*context.static_shape(value)[:2], int(context.params.outputChannels), 1, 1]
    return builder.op("Reshape", product, builder.constant(target))
