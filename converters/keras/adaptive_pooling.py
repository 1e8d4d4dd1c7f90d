"""Pooling to a given number of windows.

Window i of n on an axis of size X reaches from ⌊i · X / n⌋ to ⌈(i + 1) · X / n⌉.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.converters.keras.context import LayerContext
from mltoolkit.converters.keras.registry import converts, converts_operation
from mltoolkit.converters.keras.tensors import Tensor
from mltoolkit.graph.builder import shape_of


@converts_operation("AdaptiveAveragePool", "AdaptiveMaxPool")
@converts(
    *("AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D", "AdaptiveAveragePooling3D"),
    *("AdaptiveMaxPooling1D", "AdaptiveMaxPooling2D", "AdaptiveMaxPooling3D"),
)
def convert_adaptive_pooling(context: LayerContext) -> Tensor:
    """Ordinary pooling where all windows are equal; else axis by axis."""
    value = context.feature_map()
    sizes = [size for size in shape_of(value)[2:] if isinstance(size, int)]
    counts = context.each_axis(context.source.output_size, value)
    if len(sizes) != len(counts):
        context.refuse("the sizes of its input are only known when the model runs", "an input of fixed size")
    is_mean = "Average" in context.class_name
    if all(size % count == 0 for size, count in zip(sizes, counts, strict=True)):
        window = [size // count for size, count in zip(sizes, counts, strict=True)]
        op_type = "AveragePool" if is_mean else "MaxPool"
        return context.feature_result(context.op(op_type, value, kernel_shape=window, strides=window))
    pool = _mean_along if is_mean else _max_along
    for axis, (size, count) in enumerate(zip(sizes, counts, strict=True), start=2):
        if size != count:
            value = pool(context, value, axis, windows(size, count))
    return context.feature_result(value)


def windows(size: int, count: int) -> list[tuple[int, int]]:
    """Where each window begins and ends."""
    return [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]


def _mean_along(context: LayerContext, value: ir.Value, axis: int, spans: Sequence[tuple[int, int]]) -> ir.Value:
    """A product with the weights, along the last axis."""
    rank = len(shape_of(value))
    size = shape_of(value)[axis]
    assert isinstance(size, int)
    weights: NDArray[np.float32] = np.zeros((size, len(spans)), np.float32)
    for column, (begin, end) in enumerate(spans):
        weights[begin:end, column] = 1 / (end - begin)
    exchanged = [*range(axis), rank - 1, *range(axis + 1, rank - 1), axis] if axis < rank - 1 else []
    if exchanged:
        value = context.op("Transpose", value, perm=exchanged)
    value = context.op("MatMul", value, context.constant(weights))
    return context.op("Transpose", value, perm=exchanged) if exchanged else value


def _max_along(context: LayerContext, value: ir.Value, axis: int, spans: Sequence[tuple[int, int]]) -> ir.Value:
    """The greatest of the first, second, … elements of all windows; short windows repeat their last."""
    longest = max(end - begin for begin, end in spans)
    picked = [
        context.op("Gather", value, context.constant([min(begin + step, end - 1) for begin, end in spans]), axis=axis)
        for step in range(longest)
    ]
    return functools.reduce(lambda one, other: context.op("Max", one, other), picked)
