"""Pooling over depth, height and width.

Source: NeuralNetwork.proto, messages Pooling3DLayerParams and GlobalPooling3DLayerParams. The maximum does
not see padded elements, as with the pooling of images and as coremltools' own conversions from PyTorch need
it, though the format speaks of zeros. An average counts them as zeros unless ``countExcludePadding`` is set.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.pooling import MAX_WINDOWS
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.converters.neural_network.windows3d import (
    AXES,
    NO_BORDERS,
    Borders3D,
    Window3D,
    check_rank,
    onnx_pads3d,
    read_padding3d,
    read_triple,
    volume_sizes,
)
from mltoolkit.errors import InvalidModelError, UnsupportedModelError

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
    for axis, kernel, border in zip(AXES, window.kernel, borders, strict=True):
        if max(border) >= kernel:
            raise UnsupportedModelError(
                f"the padding of {max(border)} along the {axis.lower()} is not smaller than the kernel of "
                f"{kernel}: windows that see nothing but padding have no value",
                where=context.where,
            )
    if params.type == MAX:
        context.output(_maximum(context, value, window, borders))
        return
    mean = context.builder.op("AveragePool", value, attributes=_attributes(window, borders))
    if not params.countExcludePadding and borders != NO_BORDERS:
        mean = _with_zeros(context, mean, sizes, window, borders)
    context.output(mean)


def _maximum(context: LayerContext, value: ir.Value, window: Window3D, borders: Borders3D) -> ir.Value:
    # Two Pads in a row, and no padding of its own, keep onnxruntime from the fusion told of in _attributes.
    producer = value.producer()
    if borders != NO_BORDERS and producer is not None and producer.op_type == "Pad":
        pads = context.builder.constant(onnx_pads3d((*((0, 0),) * 2, *borders)))
        lowest = context.builder.constant(float(np.finfo(np.float32).min))
        value, borders = context.builder.op("Pad", value, pads, lowest), NO_BORDERS
    return context.builder.op("MaxPool", value, attributes=_attributes(window, borders))


def _attributes(window: Window3D, borders: Borders3D) -> dict[str, Any]:
    attributes = {"kernel_shape": list(window.kernel), "strides": list(window.stride)}
    if borders != NO_BORDERS:
        return attributes | {"pads": onnx_pads3d(borders)}
    # With explicit zeros, onnxruntime (1.31 and before) would fuse a preceding Pad of zeros into a MaxPool,
    # which does not see padding: wrong for negative values.
    return attributes | {"auto_pad": "VALID"}


def _with_zeros(
    context: LayerContext, mean: ir.Value, sizes: Sequence[int], window: Window3D, borders: Borders3D
) -> ir.Value:
    """The mean of the real elements of each window made that of all: times the share of real ones, axis by
    axis.

    Not ``count_include_pad``, which older releases of onnxruntime get wrong where the amounts differ
    (microsoft/onnxruntime#26708).
    """
    if max(context.static_shape(mean)[2:]) > MAX_WINDOWS:
        raise UnsupportedModelError(
            f"more than {MAX_WINDOWS} windows along an axis cannot be averaged", where=context.where
        )
    builder = context.builder
    for axis, (size, kernel, stride, (start, end)) in enumerate(
        zip(sizes, window.kernel, window.stride, borders, strict=True)
    ):
        if start or end:
            windows = (size + start + end - kernel) // stride + 1
            first = np.arange(windows, dtype=np.int64) * stride - start
            real = np.minimum(first + kernel, size) - np.maximum(first, 0)
            share = (real / kernel).astype(np.float32).reshape(-1, *(1,) * (2 - axis))
            mean = builder.op("Mul", mean, builder.constant(share))
    return mean


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
