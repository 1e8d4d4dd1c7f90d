"""Layers that resize height and width: upsample and resizeBilinear.

Source: NeuralNetwork.proto, messages UpsampleLayerParams and ResizeBilinearLayerParams.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.neural_network.context import HEIGHT, WIDTH, LayerContext
from mltoolkit.converters.neural_network.leading import on_nchw
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.converters.neural_network.sampling import (
    SamplingMethod,
    onnx_transformation,
    read_method,
    roi_align_points,
)
from mltoolkit.converters.neural_network.sizes import MAX_SIZE, check_elements
from mltoolkit.converters.neural_network.windows import read_sizes
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import shape_of

# UpsampleLayerParams.InterpolationMode
_NEAREST, _BILINEAR = 0, 1
# UpsampleLayerParams.LinearUpsampleMode: DEFAULT is SamplingMode's UPSAMPLE; the others are as in PyTorch.
_DEFAULT = 0
_TRANSFORMATIONS = {_DEFAULT: "asymmetric", 1: "align_corners", 2: "half_pixel"}
# Height and width of [N, C, H, W].
_SPATIAL = (2, 3)


@converts("upsample")
def convert_upsample(context: LayerContext, layer: Any) -> None:
    """Enlarge by whole factors, nearest or bilinear, or by fractional ones."""
    params = layer.upsample
    if params.mode not in (_NEAREST, _BILINEAR) or params.linearUpsampleMode not in _TRANSFORMATIONS:
        raise InvalidModelError(
            f"the interpolation mode {params.mode} with linear mode {params.linearUpsampleMode} is unknown",
            where=context.where,
        )
    if params.mode == _NEAREST and params.linearUpsampleMode != _DEFAULT:
        raise InvalidModelError("a nearest neighbour upsampling has no linear mode", where=context.where)
    if params.mode == _NEAREST:
        attributes = {
            "mode": "nearest",
            "nearest_mode": "floor",
            "coordinate_transformation_mode": "asymmetric",
        }
    else:
        attributes = _linear(_TRANSFORMATIONS[params.linearUpsampleMode])
    value = context.input()
    if len(params.fractionalScalingFactor):
        sizes = _fractional_sizes(context, value, params)
        check_elements(context, [*shape_of(value)[:-2], *sizes])
        context.output(_resize(context, value, attributes, sizes=sizes))
        return
    factors = read_sizes(context, "scalingFactor", (1, 1))
    if factors == (1, 1):
        context.output(value)
        return
    known = [size if isinstance(size, int) else 1 for size in shape_of(value)]
    check_elements(context, [*known, *factors])
    context.output(_resize(context, value, attributes, scales=factors))


@converts("resizeBilinear")
def convert_resize_bilinear(context: LayerContext, layer: Any) -> None:
    """Resize to ``targetSize`` by bilinear interpolation at the points of a sampling mode."""
    value = context.input()
    target = read_sizes(context, "targetSize", (1, 1))
    method = read_method(context, layer.resizeBilinear.mode.samplingMethod)
    context.axis(value, HEIGHT)
    check_elements(context, [*shape_of(value)[:-2], *target])
    if method is SamplingMethod.ROI_ALIGN:
        for axis, points in zip((HEIGHT, WIDTH), target, strict=True):
            value = _sample_axis(context, value, axis, roi_align_points(context.size(value, axis), points))
        context.output(value)
        return
    height_mode, width_mode = (onnx_transformation(method, points) for points in target)
    if height_mode == width_mode:
        value = _resize(context, value, _linear(height_mode), sizes=target)
    else:
        value = _resize(context, value, _linear(height_mode), sizes=target[:1], axes=_SPATIAL[:1])
        value = _resize(context, value, _linear(width_mode), sizes=target[1:], axes=_SPATIAL[1:])
    context.output(value)


def _linear(transformation: str | None) -> dict[str, Any]:
    return {"mode": "linear", "coordinate_transformation_mode": transformation}


def _fractional_sizes(context: LayerContext, value: ir.Value, params: Any) -> tuple[int, int]:
    factors = list(params.fractionalScalingFactor)
    if len(factors) != 2 or len(params.scalingFactor):
        raise InvalidModelError(
            "the layer needs two scaling factors, either whole or fractional", where=context.where
        )
    if params.mode == _NEAREST or params.linearUpsampleMode == _DEFAULT:
        raise InvalidModelError(
            "fractional scaling factors need bilinear interpolation with a linear mode other than DEFAULT",
            where=context.where,
        )
    sizes = []
    for axis, factor in zip((HEIGHT, WIDTH), factors, strict=True):
        if not math.isfinite(factor) or not 0 < factor <= MAX_SIZE:
            raise InvalidModelError(f"the scaling factor {factor} is impossible", where=context.where)
        # The file rounds the factor to float32, which must not cost a pixel: 0.1 · 10 is 1.
        size = math.floor(context.size(value, axis) * factor * (1 + np.finfo(np.float32).eps))
        if size < 1:
            raise InvalidModelError(f"the scaling factor {factor} leaves no pixel", where=context.where)
        sizes.append(size)
    return sizes[0], sizes[1]


def _resize(
    context: LayerContext,
    value: ir.Value,
    attributes: dict[str, Any],
    *,
    sizes: Sequence[int] = (),
    scales: Sequence[int] = (),
    axes: Sequence[int] = _SPATIAL,
) -> ir.Value:
    """ONNX's Resize of an (..., H, W) blob, to sizes or by scales of ``axes`` of [N, C, H, W]."""
    builder = context.builder
    factors = builder.constant(np.asarray(scales, dtype=np.float32)) if scales else None
    target = builder.constant(list(sizes)) if sizes else None

    def resize(image: ir.Value) -> ir.Value:
        return builder.op(
            "Resize", image, None, factors, target, attributes=attributes | {"axes": list(axes)}
        )

    return on_nchw(context, value, resize, least_rank=3)


def _sample_axis(context: LayerContext, value: ir.Value, axis: int, points: Any) -> ir.Value:
    """Linear interpolation along one axis at constant positions."""
    builder = context.builder
    position = context.axis(value, axis)
    below = np.floor(points).astype(np.int64)
    above = np.minimum(below + 1, context.size(value, axis) - 1)
    # (N, 1) or (N,): broadcasts along height or width.
    share = (points - below).astype(np.float32).reshape([-1] + [1] * (-1 - axis))
    taps = []
    for indices, weights in ((below, 1 - share), (above, share)):
        picked = builder.op("Gather", value, builder.constant(indices), attributes={"axis": position})
        taps.append(builder.op("Mul", picked, builder.constant(weights)))
    return builder.op("Add", *taps)
