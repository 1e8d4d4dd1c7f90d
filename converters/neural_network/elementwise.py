"""Elementwise arithmetic on one or more blobs, and the dot product of two.

Source: NeuralNetwork.proto, messages AddLayerParams … DotProductLayerParams. Inputs broadcast as in NumPy, of
which the format allows a part.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.neural_network.activation import affine
from mltoolkit.converters.neural_network.context import CHANNEL, HEIGHT, WIDTH, LayerContext
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.errors import InvalidModelError


@converts("add")
def add(context: LayerContext, layer: Any) -> None:
    """The sum of all inputs; of a single one and ``alpha``."""
    first = context.input()
    if len(layer.input) == 1:
        context.output(affine(context, first, 1, layer.add.alpha))
    else:
        context.output(reduce(_binary(context, "Add"), context.inputs()))


@converts("multiply")
def multiply(context: LayerContext, layer: Any) -> None:
    """The product of all inputs; of a single one and ``alpha``."""
    first = context.input()
    if len(layer.input) == 1:
        context.output(affine(context, first, layer.multiply.alpha, 0))
    else:
        context.output(reduce(_binary(context, "Mul"), context.inputs()))


def _binary(context: LayerContext, operation: str) -> Callable[[ir.Value, ir.Value], ir.Value]:
    return lambda left, right: context.builder.op(operation, left, right)


@converts("average")
def average(context: LayerContext, layer: Any) -> None:
    """The mean of all inputs."""
    _variadic(context, "Mean")


@converts("max")
def maximum(context: LayerContext, layer: Any) -> None:
    """The largest of all inputs."""
    _variadic(context, "Max")


@converts("min")
def minimum(context: LayerContext, layer: Any) -> None:
    """The smallest of all inputs."""
    _variadic(context, "Min")


def _variadic(context: LayerContext, operation: str) -> None:
    context.input()  # refuses a layer without inputs
    context.output(context.builder.op(operation, *context.inputs()))


@converts("dot")
def dot(context: LayerContext, layer: Any) -> None:
    """The dot product or the cosine similarity of two vectors, (..., C, 1, 1) twice → (..., 1, 1, 1)."""
    left, right = context.input(0), context.input(1)
    for value in (left, right):
        for axis in (HEIGHT, WIDTH):
            size = context.shape(value)[context.axis(value, axis)]
            if isinstance(size, int) and size != 1:
                raise InvalidModelError(
                    f"the layer takes vectors of shape (…, C, 1, 1) but gets shape {context.shape(value)}",
                    where=context.where,
                )
    sizes = {size for size in (context.shape(value)[CHANNEL] for value in (left, right)) if isinstance(size, int)}
    if len(sizes) > 1:
        raise InvalidModelError(
            f"the layer takes vectors of one length but gets {' and '.join(map(str, sorted(sizes)))}",
            where=context.where,
        )
    builder = context.builder
    axes = builder.constant([context.axis(left, CHANNEL)])
    product = builder.op("ReduceSum", builder.op("Mul", left, right), axes, attributes={"keepdims": 1})
    if not layer.dot.cosineSimilarity:
        context.output(product)
        return
    norms = builder.op(
        "Mul",
        builder.op("ReduceL2", left, axes, attributes={"keepdims": 1}),
        builder.op("ReduceL2", right, axes, attributes={"keepdims": 1}),
    )
    # A vector of zeros has the similarity 0, not 0 / 0.
    smallest = builder.constant(float(np.finfo(np.float32).tiny))
    context.output(builder.op("Div", product, builder.op("Max", norms, smallest)))
