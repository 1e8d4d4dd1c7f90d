"""Pooling over depth, height and width.

Source: NeuralNetwork.proto, messages Pooling3DLayerParams and GlobalPooling3DLayerParams. The maximum does
not see padded elements, as with the pooling of images and as coremltools' own conversions from PyTorch need
it, though the format speaks of zeros. An average counts them as zeros unless ``countExcludePadding`` is set.
"""

from __future__ import annotations

from typing import Any

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.converters.neural_network.windows3d import (
    AXES,
    Window3D,
    check_rank,
    read_padding3d,
    read_triple,
    volume_sizes,
)
from mltoolkit.converters.pooling import PoolAxis, average_pool, max_pool
from mltoolkit.errors import InvalidModelError

# Pooling3DLayerParams.PoolingType3D and GlobalPooling3DLayerParams.GlobalPoolingType3D
MAX, AVERAGE = 0, 1


@converts("pooling3d")
def pooling3d(context: LayerContext, layer: Any) -> None:
    """MaxPool or AveragePool, (N, C, D, H, W) → (N, C, D_out, H_out, W_out)."""
    params = layer.pooling3d
    _check_type(context, params.type)
    value = context.input()
    sizes = volume_sizes(context, value)
    window = Window3D(read_triple(context, "kernel"), read_triple(context, "stride"))
    borders = read_padding3d(context, sizes, window)
    axes = [
        PoolAxis(f"the {name.lower()}", size, kernel, stride, start, end, (size + start + end - kernel) // stride + 1)
        for name, size, kernel, stride, (start, end) in zip(
            AXES, sizes, window.kernel, window.stride, borders, strict=True
        )
    ]
    if params.type == MAX:
        context.output(max_pool(context.builder, value, axes, context.where))
    else:
        counts_padding = not params.countExcludePadding
        context.output(average_pool(context.builder, value, axes, context.where, counts_padding=counts_padding))


@converts("globalPooling3d")
def global_pooling3d(context: LayerContext, layer: Any) -> None:
    """One value a channel, (N, C, D, H, W) → (N, C, 1, 1, 1)."""
    _check_type(context, layer.globalPooling3d.type)
    value = context.input()
    check_rank(context, value)
    operation = "GlobalMaxPool" if layer.globalPooling3d.type == MAX else "GlobalAveragePool"
    context.output(context.builder.op(operation, value))


def _check_type(context: LayerContext, kind: int) -> None:
    if kind not in (MAX, AVERAGE):
        raise InvalidModelError(f"the pooling type {kind} is not known", where=context.where)
