"""Spatial pooling: maximum, average and L2 norm of windows.

Source: NeuralNetwork.proto, message PoolingLayerParams. Where the format is silent, this holds:

1. The maximum and an average with ``avgPoolExcludePadding`` do not see padded elements; the other average
   counts them as zeros.
2. With ``includeLastPixel`` the last window may overhang the padded input. Elements out there are never
   counted by an average (as in Caffe, from which the option stems, PyTorch and ONNX).
3. L2 is the square root of the sum of squares (MPSCNNPoolingL2Norm).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.converters.neural_network.context import HEIGHT, WIDTH, LayerContext
from mltoolkit.converters.neural_network.leading import on_nchw
from mltoolkit.converters.neural_network.pooling_padding import PoolPadding, read_padding
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.converters.neural_network.windows import Window, onnx_pads, read_sizes
from mltoolkit.errors import InvalidModelError, UnsupportedModelError

# PoolingLayerParams.PoolingType
MAX, AVERAGE, L2 = 0, 1, 2
# Per-window factors are kept up to this many along an axis; no real blob comes near.
MAX_WINDOWS = 1 << 22


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
    padding = read_padding(context, sizes, window)
    if sizes == window.kernel and not padding.any:
        return _pool_all(context, image)
    if params.type == MAX:
        return _maximum(context, image, window, padding)
    if params.type == L2:
        squares = context.builder.op("Mul", image, image)
        mean = _average(context, squares, window, padding)
        return context.builder.op("Sqrt", _times_counts(context, mean, sizes, window, padding, per_padded=False))
    if params.avgPoolExcludePadding:
        return _average(context, image, window, padding)
    if padding.even:
        return _average(context, image, window, padding, count_include_pad=1)
    # Not ``count_include_pad``, which older releases of onnxruntime get wrong where the amounts differ
    # (microsoft/onnxruntime#26708) and which has no place for elements that overhang.
    mean = _average(context, image, window, padding)
    return _times_counts(context, mean, sizes, window, padding, per_padded=True)


def _pool_all(context: LayerContext, image: ir.Value) -> ir.Value:
    if context.params.type == L2:
        axes = context.builder.constant([2, 3])
        return context.builder.op("ReduceL2", image, axes, attributes={"keepdims": 1})
    return context.builder.op("GlobalMaxPool" if context.params.type == MAX else "GlobalAveragePool", image)


def _maximum(context: LayerContext, image: ir.Value, window: Window, padding: PoolPadding) -> ir.Value:
    # Two Pads in a row, and no padding of its own, keep onnxruntime from the fusion told of in _attributes.
    producer = image.producer()
    if padding.any and producer is not None and producer.op_type == "Pad":
        top, left, bottom, right = onnx_pads(padding.all_amounts())
        pads = context.builder.constant([0, 0, top, left, 0, 0, bottom, right])
        lowest = context.builder.constant(float(np.finfo(np.float32).min))
        image, padding = context.builder.op("Pad", image, pads, lowest), PoolPadding()
    return context.builder.op("MaxPool", image, attributes=_attributes(window, padding))


def _average(
    context: LayerContext, image: ir.Value, window: Window, padding: PoolPadding, count_include_pad: int = 0
) -> ir.Value:
    attributes = _attributes(window, padding) | {"count_include_pad": count_include_pad}
    return context.builder.op("AveragePool", image, attributes=attributes)


def _attributes(window: Window, padding: PoolPadding) -> dict[str, Any]:
    attributes = {"kernel_shape": list(window.kernel), "strides": list(window.stride)}
    if padding.any:
        return attributes | {"pads": onnx_pads(padding.all_amounts())}
    # With explicit zeros, onnxruntime (1.31 and before) would fuse a preceding Pad of zeros into a MaxPool,
    # which does not see padding: wrong for negative values.
    return attributes | {"auto_pad": "VALID"}


def _times_counts(
    context: LayerContext,
    mean: ir.Value,
    sizes: tuple[int, int],
    window: Window,
    padding: PoolPadding,
    *,
    per_padded: bool,
) -> ir.Value:
    """Averages over real elements, times their number (over that of real and padded elements)."""
    if max(context.static_shape(mean)[2:]) > MAX_WINDOWS:
        raise UnsupportedModelError(
            f"more than {MAX_WINDOWS} windows along an axis cannot be averaged", where=context.where
        )
    height, width = (
        _counts(size, kernel, stride, borders, overhang, per_padded)
        for size, kernel, stride, borders, overhang in zip(
            sizes, window.kernel, window.stride, padding.amounts, padding.overhang, strict=True
        )
    )
    builder = context.builder
    if np.ptp(height) == 0 and np.ptp(width) == 0:
        return builder.op("Mul", mean, builder.constant(float(height[0] * width[0])))
    rows = builder.op("Mul", mean, builder.constant(height.astype(np.float32).reshape(1, 1, -1, 1)))
    return builder.op("Mul", rows, builder.constant(width.astype(np.float32).reshape(1, 1, 1, -1)))


def _counts(
    size: int, kernel: int, stride: int, borders: tuple[int, int], overhang: tuple[int, int], per_padded: bool
) -> NDArray[np.float64]:
    """Along one axis, the number of real elements in each window (over that of real and padded ones)."""
    start, end = borders
    windows = (size + start + end + overhang[1] - kernel) // stride + 1
    first = np.arange(windows, dtype=np.int64) * stride - start
    counts = np.minimum(first + kernel, size) - np.maximum(first, 0)
    if not per_padded:
        return counts.astype(np.float64)
    return counts / (np.minimum(first + kernel, size + end) - first)
