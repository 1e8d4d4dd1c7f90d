"""Spatial pooling: maximum, average and L2 norm of windows.

Source: NeuralNetwork.proto, message PoolingLayerParams. Where the format is silent, this holds:

1. The maximum and an average with ``avgPoolExcludePadding`` do not see padded elements; the other average
   counts them as zeros.
2. With ``includeLastPixel`` the last window may overhang the padded input. Elements out there are never
   counted by an average (as in Caffe, from which the option stems, PyTorch and ONNX).
3. L2 is the square root of the sum of squares (MPSCNNPoolingL2Norm).
"""

from __future__ import annotations

import math
from typing import Any

import onnx_ir as ir

from mltoolkit.converters.neural_network.context import HEIGHT, WIDTH, LayerContext
from mltoolkit.converters.neural_network.leading import on_nchw
from mltoolkit.converters.neural_network.pooling_padding import PoolPadding, read_padding
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.converters.neural_network.windows import Window, read_sizes
from mltoolkit.converters.neural_network.zero_padding import pad_same, pad_zeros
from mltoolkit.errors import InvalidModelError

# PoolingLayerParams.PoolingType
MAX, AVERAGE, L2 = 0, 1, 2


@converts("pooling")
def pooling(context: LayerContext, layer: Any) -> None:
    """MaxPool, AveragePool or their global kin, (..., C, H, W) → (..., C, H_out, W_out)."""
    params = layer.pooling
    kind = params.type
    if kind not in (MAX, AVERAGE, L2):
        raise InvalidModelError(f"the pooling type {kind} is not known", where=context.where)
    value = context.input()
    if params.globalPooling:
        context.output(on_nchw(context, value, lambda image: _pool_all(context, image, kind)))
        return
    window = Window(
        kernel=read_sizes(context, "kernelSize", (3, 3)), stride=read_sizes(context, "stride", (1, 1))
    )
    shape = context.shape(value)
    sizes = (shape[context.axis(value, HEIGHT)], shape[context.axis(value, WIDTH)])
    sees_padding = kind == L2 or (kind == AVERAGE and not params.avgPoolExcludePadding)
    padding = read_padding(context, sizes, window, sees_padding)
    if sizes == window.kernel and padding == PoolPadding():
        context.output(on_nchw(context, value, lambda image: _pool_all(context, image, kind)))
        return

    def pool(image: ir.Value) -> ir.Value:
        if kind == MAX:
            return _pool(context, "MaxPool", image, window, padding)
        if kind == L2:
            return _l2(context, image, window, padding)
        if sees_padding and not padding.even:
            image, rest = _pad_counted(context, image, window, padding)
            return _pool(context, "AveragePool", image, window, rest)
        return _pool(context, "AveragePool", image, window, padding, count_include_pad=int(sees_padding))

    context.output(on_nchw(context, value, pool))


def _pool_all(context: LayerContext, image: ir.Value, kind: int) -> ir.Value:
    if kind == L2:
        axes = context.builder.constant([2, 3])
        return context.builder.op("ReduceL2", image, axes, attributes={"keepdims": 1})
    return context.builder.op("GlobalMaxPool" if kind == MAX else "GlobalAveragePool", image)


def _pool(
    context: LayerContext,
    operation: str,
    image: ir.Value,
    window: Window,
    padding: PoolPadding,
    **more: int,
) -> ir.Value:
    attributes = {
        "kernel_shape": list(window.kernel),
        "strides": list(window.stride),
        **padding.attributes(),
        **more,
    }
    return context.builder.op(operation, image, attributes=attributes)


def _pad_counted(
    context: LayerContext, image: ir.Value, window: Window, padding: PoolPadding
) -> tuple[ir.Value, PoolPadding]:
    """The image with zeros around it, and the padding that remains: the overhang.

    An explicit Pad where AveragePool's ``count_include_pad`` does not do: older releases of onnxruntime
    confuse amounts that are not all equal (microsoft/onnxruntime#26708), and an overhang is padding of
    another kind.
    """
    if padding.auto_pad:
        mode = context.params.same.asymmetryMode
        return pad_same(context, image, window, mode), PoolPadding()
    rest = PoolPadding(overhang=padding.overhang, ceil_mode=padding.ceil_mode)
    return pad_zeros(context, image, padding.amounts), rest


def _l2(context: LayerContext, image: ir.Value, window: Window, padding: PoolPadding) -> ir.Value:
    builder = context.builder
    padded, rest = _pad_counted(context, image, window, padding)
    if rest.ceil_mode:
        # One node, but some 200 times slower in onnxruntime 1.31 than the three below (18 against 0.07 ms for
        # 192 × 28 × 28, kernel 3 × 3): only for windows whose overhang is not known yet.
        attributes = {"kernel_shape": list(window.kernel), "strides": list(window.stride), "p": 2}
        return builder.op("LpPool", padded, attributes=attributes | rest.attributes())
    padded = pad_zeros(context, padded, rest.overhang)
    mean = _pool(context, "AveragePool", builder.op("Mul", padded, padded), window, PoolPadding())
    return builder.op("Sqrt", builder.op("Mul", mean, builder.constant(float(math.prod(window.kernel)))))
