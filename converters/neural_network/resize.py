"""Layers that resize height and width: upsample and resizeBilinear.

Source: NeuralNetwork.proto, messages UpsampleLayerParams and ResizeBilinearLayerParams.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.interpolation import SamplingMode
from mltoolkit.converters.neural_network.context import HEIGHT, WIDTH, LayerContext
from mltoolkit.converters.neural_network.leading import on_nchw
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.converters.neural_network.sampling import read_method
from mltoolkit.converters.neural_network.sizes import MAX_SIZE, check_elements
from mltoolkit.converters.neural_network.windows import read_sizes
from mltoolkit.converters.resizing import NEAREST, linear, resize_bilinear, resize_node
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import shape_of

# UpsampleLayerParams.InterpolationMode
_NEAREST, _BILINEAR = 0, 1
# UpsampleLayerParams.LinearUpsampleMode: DEFAULT is SamplingMode's UPSAMPLE; the others are as in PyTorch.
_DEFAULT = 0
_TRANSFORMATIONS = {_DEFAULT: "asymmetric", 1: "align_corners", 2: "half_pixel"}


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
    transformation = _TRANSFORMATIONS[params.linearUpsampleMode]
    attributes = NEAREST if params.mode == _NEAREST else linear(transformation)
    value = context.input()
    if len(params.fractionalScalingFactor):
        sizes = _fractional_sizes(context, value, params)
        check_elements(context, [*shape_of(value)[:-2], *sizes])
        resize = partial(resize_node, context.builder, attributes=attributes, sizes=sizes)
        context.output(on_nchw(context, value, resize, least_rank=3))
        return
    factors = read_sizes(context, "scalingFactor", (1, 1))
    if factors == (1, 1):
        context.output(value)
        return
    known = [size if isinstance(size, int) else 1 for size in shape_of(value)]
    check_elements(context, [*known, *factors])
    resize = partial(resize_node, context.builder, attributes=attributes, scales=factors)
    context.output(on_nchw(context, value, resize, least_rank=3))


@converts("resizeBilinear")
def convert_resize_bilinear(context: LayerContext, layer: Any) -> None:
    """Resize to ``targetSize`` by bilinear interpolation at the points of a sampling mode."""
    value = context.input()
    target = read_sizes(context, "targetSize", (1, 1))
    mode = read_method(context, layer.resizeBilinear.mode.samplingMethod)
    context.axis(value, HEIGHT)
    if mode is SamplingMode.OFFSET_CORNERS:
        for axis in (HEIGHT, WIDTH):
            context.size(value, axis)
    check_elements(context, [*shape_of(value)[:-2], *target])
    resize = partial(resize_bilinear, context.builder, target=target, mode=mode)
    context.output(on_nchw(context, value, resize, least_rank=3))


def _fractional_sizes(context: LayerContext, value: ir.Value, params: Any) -> tuple[int, int]:
    factors = list(params.fractionalScalingFactor)
    if len(factors) != 2 or len(params.scalingFactor):
        raise InvalidModelError("the layer needs two scaling factors, either whole or fractional", where=context.where)
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
