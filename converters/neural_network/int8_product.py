"""Matrix products whose input is quantized to 8 bits while the model runs (``int8DynamicQuantize``).

Source: NeuralNetwork.proto, messages InnerProductLayerParams, BatchedMatMulLayerParams and WeightParams. The
weights are int8 codes with one scale and no bias. The format leaves open how the input is quantized; here as
the weights are, with one symmetric scale: codes −127 … 127 for the largest magnitude of the blob.

The codes are multiplied as float32: sums of up to 1040 products are exact (1040 · 127² < 2²⁴), longer ones
round like any other product, and no processor's 8-bit instructions saturate on the way.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.errors import InvalidModelError

_LARGEST_CODE = 127.0


def read_int8(context: LayerContext, shape: tuple[int, ...]) -> tuple[NDArray[np.float32], float]:
    """The codes of the layer's weights as float32 of the given shape, and their scale.

    Raises:
        InvalidModelError: there are more or fewer codes, or they are not stored as the format demands.
    """
    weights: Any = context.params.weights
    where = f"{context.where}, weights"
    linear = weights.quantization.linearQuantization
    if weights.quantization.numberOfBits != 8 or len(linear.scale) != 1 or len(linear.bias):
        raise InvalidModelError(
            "int8DynamicQuantize needs weights of 8 bits with one scale and no bias but they have "
            f"{weights.quantization.numberOfBits} bits, {len(linear.scale)} scales and "
            f"{len(linear.bias)} biases",
            where=where,
        )
    stored = len(weights.int8RawValue)
    if stored != math.prod(shape):
        raise InvalidModelError(
            f"the weight holds {stored} int8 codes where the layer needs {math.prod(shape)}", where=where
        )
    codes = np.frombuffer(weights.int8RawValue, dtype=np.int8).astype(np.float32)
    return codes.reshape(shape), float(linear.scale[0])


def with_int8_input(
    context: LayerContext, value: ir.Value, scale: float, product: Callable[[ir.Value], ir.Value]
) -> ir.Value:
    """A product with quantized weights, of the quantized input.

    Args:
        context: the layer's context.
        value: the input.
        scale: the weights' scale.
        product: multiplies codes of the input by those of the weights.
    """
    builder = context.builder
    largest = builder.op("ReduceMax", builder.op("Abs", value), attributes={"keepdims": 0})
    # An input of zeros has the codes 0 with any step.
    step = builder.op(
        "Max",
        builder.op("Div", largest, builder.constant(_LARGEST_CODE)),
        builder.constant(float(np.finfo(np.float32).tiny)),
    )
    codes = builder.op("Round", builder.op("Div", value, step))
    return builder.op("Mul", product(codes), builder.op("Mul", step, builder.constant(scale)))
