"""Spatial pooling: maximum, average and L2 norm of windows.

Source: NeuralNetwork.proto, message PoolingLayerParams. Where the format is silent, what
:mod:`mltoolkit.converters.pooling` tells holds: as in Caffe, from which ``includeLastPixel`` stems, PyTorch and ONNX;
the L2 norm is that of MPSCNNPoolingL2Norm.
"""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from mltoolkit.converters.neural_network.context import HEIGHT, WIDTH, LayerContext
from mltoolkit.converters.neural_network.leading import on_nchw
from mltoolkit.converters.neural_network.pooling_padding import read_axes
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.converters.neural_network.windows import Window, read_sizes
from mltoolkit.converters.pooling import average_pool, l2_pool, max_pool
from mltoolkit.errors import InvalidModelError

# PoolingLayerParams.PoolingType
MAX, AVERAGE, L2 = 0, 1, 2


@converts("pooling")
def pooling(context: LayerContext, layer: Any) -> None:
    """MaxPool, AveragePool or their global kin, (..., C, H, W) → (..., C, H_out, W_out)."""
    params = layer.pooling
    if params.type not in (MAX, AVERAGE, L2):
        raise InvalidModelError(f"the pooling type {params.type} is not known", where=context.where)
    value = context.input()
    context.output(on_nchw(context, value, lambda image: _pool(context, image)))


def _pool(context: LayerContext, image: ir.Value) -> ir.Value:
    params = context.params
    if params.globalPooling:
        return _pool_all(context, image)
    window = Window(kernel=read_sizes(context, "kernelSize", (3, 3)), stride=read_sizes(context, "stride", (1, 1)))
    sizes = (context.size(image, HEIGHT), context.size(image, WIDTH))
    axes = read_axes(context, sizes, window)
    if sizes == window.kernel and not any(axis.padded for axis in axes):
        return _pool_all(context, image)
    if params.type == MAX:
        return max_pool(context.builder, image, axes, context.where)
    if params.type == L2:
        return l2_pool(context.builder, image, axes, context.where)
    counts_padding = not params.avgPoolExcludePadding
    return average_pool(context.builder, image, axes, context.where, counts_padding=counts_padding)


def _pool_all(context: LayerContext, image: ir.Value) -> ir.Value:
    if context.params.type == L2:
        axes = context.builder.constant([2, 3])
        return context.builder.op("ReduceL2", image, axes, attributes={"keepdims": 1})
    return context.builder.op("GlobalMaxPool" if context.params.type == MAX else "GlobalAveragePool", image)
