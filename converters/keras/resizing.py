"""Resizing of images: UpSampling*, Resizing, CenterCrop and ``keras.ops.image.resize``.

Every backend of Keras has its own rounding, cubic coefficient and antialiasing. Resizing is linear along each axis, so
the weights are found by letting Keras itself resize the unit matrix; where ONNX's Resize has the same weights it is
used, else the axis is multiplied with them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.converters.interpolation import SamplingMode, grid_points
from mltoolkit.converters.keras.context import LayerContext
from mltoolkit.converters.keras.registry import converts, converts_operation
from mltoolkit.converters.keras.reshaping import pad_constant
from mltoolkit.converters.keras.tensors import Tensor
from mltoolkit.converters.resizing import NEAREST, linear, resize_node
from mltoolkit.graph.builder import dtype_of, shape_of

Weights = NDArray[np.float32]
_HALF_PIXEL_NEAREST = {
    "mode": "nearest",
    "nearest_mode": "round_prefer_ceil",
    "coordinate_transformation_mode": "half_pixel",
}
# Weights of Keras are those of ONNX when they differ by rounding only.
_ROUNDING = 1e-5


@converts("UpSampling1D")
def convert_upsampling_1d(context: LayerContext) -> Tensor:
    """Each step (N, T, C) several times."""
    x = context.layouts.moved(context.tensor())
    value = repeated(context, x.value, [int(context.source.size)])
    return Tensor(value, moved=True)


@converts("UpSampling2D")
def convert_upsampling_2d(context: LayerContext) -> Tensor:
    """Each pixel several times, or interpolated."""
    layer, value = context.source, context.feature_map()
    if layer.interpolation == "nearest":
        return context.feature_result(repeated(context, value, layer.size))
    height, width = _known_size(context, value)
    target = (height * int(layer.size[0]), width * int(layer.size[1]))
    return context.feature_result(resized(context, value, target, layer.interpolation, antialias=False))


@converts("UpSampling3D")
def convert_upsampling_3d(context: LayerContext) -> Tensor:
    """Each voxel several times."""
    return context.feature_result(repeated(context, context.feature_map(), context.source.size))


def repeated(context: LayerContext, value: ir.Value, factors: Any) -> ir.Value:
    """Each element along each spatial axis of (N, C, …) several times.

    Two axes are resized at a time, as rank 4, which is what Core ML can resize.
    """
    factors = [int(factor) for factor in factors]
    shape = shape_of(value)
    if len(factors) == 2:
        return resize_node(context.builder, value, dict(NEAREST), scales=[float(factor) for factor in factors])
    batch, channels, *sizes = [size if isinstance(size, int) else -1 for size in shape]
    if channels == -1 or -1 in sizes:
        context.refuse("the sizes of its input are only known when the model runs", "an input of fixed size")
    results = [size * factor for size, factor in zip(sizes, factors, strict=True)]
    if len(factors) == 1:
        value = context.op("Reshape", value, context.constant([batch, channels, sizes[0], 1]))
        value = resize_node(context.builder, value, dict(NEAREST), scales=[float(factors[0]), 1.0])
    else:
        value = context.op("Reshape", value, context.constant([batch, channels * sizes[0], *sizes[1:]]))
        value = resize_node(context.builder, value, dict(NEAREST), scales=[float(factor) for factor in factors[1:]])
        value = context.op("Reshape", value, context.constant([batch, channels, sizes[0], math.prod(results[1:])]))
        value = resize_node(context.builder, value, dict(NEAREST), scales=[float(factors[0]), 1.0])
    return context.op("Reshape", value, context.constant([batch, channels, *results]))


@converts("Resizing")
def convert_resizing(context: LayerContext) -> Tensor:
    """To a size, the whole picture, or cut or padded to keep its aspect."""
    layer = context.source
    return _resizing(context, layer, (layer.height, layer.width))


@converts_operation("Resize")
def convert_resize_operation(context: LayerContext) -> Tensor:
    """``keras.ops.image.resize`` of a batch of pictures."""
    operation = context.source
    return _resizing(context, operation, (operation.size[0], operation.size[1]))


def _resizing(context: LayerContext, source: Any, target: tuple[int, int]) -> Tensor:
    if context.tensor().rank != 4:
        context.refuse(f"its input has the rank {context.tensor().rank}", "a batch of pictures, of rank 4")
    value = context.feature_map()
    if dtype_of(value).kind != "f":
        value = context.op("Cast", value, to=1)
    height, width = _known_size(context, value)
    crop, pad = source.crop_to_aspect_ratio, source.pad_to_aspect_ratio
    # The part of the picture, or what it becomes a part of, that has the aspect of the target.
    scaled = int(float(width * target[0]) / target[1]), int(float(height * target[1]) / target[0])
    if crop:
        size = max(min(height, scaled[0]), 1), max(min(width, scaled[1]), 1)
        starts = int(float(height - size[0]) / 2), int(float(width - size[1]) / 2)
        value = cut(context, value, starts, size)
    elif pad:
        borders = [
            int(float(max(size, wanted) - size) / 2) for size, wanted in zip((height, width), scaled, strict=True)
        ]
        value = pad_constant(context, value, [0, 0, *borders], [0, 0, *borders], float(source.fill_value))
    value = resized(context, value, target, source.interpolation, antialias=bool(source.antialias))
    return context.feature_result(value)


@converts("RandomCrop")
def convert_random_crop(context: LayerContext) -> Tensor:
    """Keras crops in training only, whatever shape it declares."""
    layer = context.source
    if _known_size(context, context.feature_map()) != (layer.height, layer.width):
        context.refuse("Keras crops in training only, so that later layers get a picture of another size", "CenterCrop")
    return context.tensor()


@converts("CenterCrop")
def convert_center_crop(context: LayerContext) -> Tensor:
    """The middle of a picture; of a smaller one the middle of its aspect, enlarged."""
    layer, value = context.source, context.feature_map()
    height, width = _known_size(context, value)
    target = int(layer.height), int(layer.width)
    if height >= target[0] and width >= target[1]:
        return context.feature_result(
            cut(context, value, ((height - target[0]) // 2, (width - target[1]) // 2), target)
        )
    size = (
        max(min(height, int(float(width * target[0]) / target[1])), 1),
        max(min(width, int(float(height * target[1]) / target[0])), 1),
    )
    starts = int(float(height - size[0]) / 2), int(float(width - size[1]) / 2)
    return context.feature_result(
        resized(context, cut(context, value, starts, size), target, "bilinear", antialias=False)
    )


def cut(context: LayerContext, value: ir.Value, starts: tuple[int, int], size: tuple[int, int]) -> ir.Value:
    """A part of a picture (N, C, H, W)."""
    if tuple(shape_of(value)[2:]) == tuple(size):
        return value
    ends = [start + length for start, length in zip(starts, size, strict=True)]
    return context.op("Slice", value, context.constant(list(starts)), context.constant(ends), context.constant([2, 3]))


def _known_size(context: LayerContext, value: ir.Value) -> tuple[int, int]:
    height, width = shape_of(value)[2:]
    if not isinstance(height, int) or not isinstance(width, int):
        context.refuse("the size of its picture is only known when the model runs", "an input of fixed size")
    return height, width


def resized(
    context: LayerContext, value: ir.Value, target: tuple[int, int], interpolation: str, *, antialias: bool
) -> ir.Value:
    """A picture (N, C, H, W) in another size, with the weights of Keras' backend."""
    sizes = _known_size(context, value)
    if sizes == tuple(target):
        return value
    matrices = [
        axis_weights(context, size, count, interpolation, antialias) for size, count in zip(sizes, target, strict=True)
    ]
    for attributes, reference in _ONNX_FORMS:
        if all(
            np.abs(reference(size, count) - matrix).max() < _ROUNDING
            for size, count, matrix in zip(sizes, target, matrices, strict=True)
        ):
            return resize_node(context.builder, value, dict(attributes), sizes=target)
    if sizes[0] != target[0]:
        value = context.op("MatMul", context.constant(matrices[0]), value)
    if sizes[1] != target[1]:
        value = context.op("MatMul", value, context.constant(np.ascontiguousarray(matrices[1].T)))
    return value


def axis_weights(context: LayerContext, size: int, count: int, interpolation: str, antialias: bool) -> Weights:
    """How Keras mixes the elements of an axis of that size into ``count``: (count, size)."""
    keras = context.walk.keras
    try:
        picture = keras.ops.convert_to_tensor(np.eye(size, dtype=np.float32)[None, :, :, None])
        result = keras.ops.image.resize(
            picture, (count, size), interpolation=interpolation, antialias=antialias, data_format="channels_last"
        )
    except (NotImplementedError, ValueError) as error:
        context.refuse(f"Keras cannot resize so: {error}")
    weights: Weights = context.array(result)[0, :, :, 0]
    return weights


def _linear_weights(size: int, count: int) -> Weights:
    """ONNX's linear, half_pixel."""
    points = grid_points(SamplingMode.UNALIGN_CORNERS, size, count)
    weights: Weights = np.maximum(1 - np.abs(points[:, None] - np.arange(size)), 0).astype(np.float32)
    return weights


def _nearest_weights(size: int, count: int) -> Weights:
    """ONNX's nearest, asymmetric, floor."""
    return _picked(np.arange(count) * size // count, size)


def _half_pixel_nearest_weights(size: int, count: int) -> Weights:
    """ONNX's nearest, half_pixel, round_prefer_ceil."""
    points = np.floor((np.arange(count) + 0.5) * size / count).astype(np.int64)
    return _picked(np.clip(points, 0, size - 1), size)


def _picked(elements: NDArray[np.int64], size: int) -> Weights:
    weights: Weights = np.zeros((len(elements), size), np.float32)
    weights[np.arange(len(elements)), elements] = 1
    return weights


_ONNX_FORMS = (
    (linear("half_pixel"), _linear_weights),
    (NEAREST, _nearest_weights),
    (_HALF_PIXEL_NEAREST, _half_pixel_nearest_weights),
)
