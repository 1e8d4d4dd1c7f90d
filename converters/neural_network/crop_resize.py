"""Crop-resize layer: boxes cut out of images and resized by bilinear interpolation.

Source: NeuralNetwork.proto, messages CropResizeLayerParams, BoxCoordinatesMode and SamplingMode. A box from p
to q is sampled like an axis of size X = q − p + 1 that begins at p (see ``box_sampling.py``); points beyond
the image take the value at its border ("grid points have to lie in the interval [0, X-1]").
"""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from mltoolkit.converters.box_sampling import intervals, positions, sample_all, sample_each
from mltoolkit.converters.neural_network.context import CHANNEL, HEIGHT, WIDTH, LayerContext
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.converters.neural_network.sampling import read_method
from mltoolkit.converters.neural_network.sizes import check_elements
from mltoolkit.converters.neural_network.windows import read_sizes
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import shape_of

# BoxCoordinatesMode.Coordinates: whether the box is given by centre and size, and whether widths come first.
_BOX_MODES = {0: (False, False), 1: (False, True), 2: (True, False), 3: (True, True)}


@converts("cropResize")
def convert_crop_resize(context: LayerContext, layer: Any) -> None:
    """Images [1, B, C, H, W] and n boxes [n, 1, 4 or 5, 1, 1] → [n, B, C, H', W'], or [n, 1, C, H', W'].

    Boxes of four coordinates are cut out of every image; with five, the first is the image's number.
    """
    params = layer.cropResize
    builder = context.builder
    images, boxes = _as_images(context, context.input(0)), context.input(1)
    if params.boxIndicesMode.boxMode not in _BOX_MODES:
        raise InvalidModelError(f"the box mode {params.boxIndicesMode.boxMode} is unknown", where=context.where)
    method = read_method(context, params.mode.samplingMethod)
    target = read_sizes(context, "targetSize", (1, 1))
    coordinates = context.size(boxes, CHANNEL)
    if coordinates not in (4, 5) or context.size(boxes, HEIGHT) * context.size(boxes, WIDTH) != 1:
        raise InvalidModelError(
            f"the boxes have shape {shape_of(boxes)} where 4 or 5 coordinates along C are needed",
            where=context.where,
        )
    count = shape_of(boxes)[0]
    batch = context.size(images, 0)
    repeated = batch if coordinates == 4 else 1
    output_shape = (count, repeated, context.size(images, CHANNEL), *target)
    check_elements(context, output_shape)
    boxes = builder.op("Reshape", boxes, builder.constant([-1, coordinates]))
    centred, width_first = _BOX_MODES[params.boxIndicesMode.boxMode]
    columns = [_column(context, boxes, coordinates - 4 + index) for index in range(4)]
    rows_and_columns = []
    for axis, interval, points in zip(
        (HEIGHT, WIDTH),
        intervals(builder, columns, centred=centred, width_first=width_first),
        target,
        strict=True,
    ):
        # proto3 cannot tell an unset scale from 0, which would make every box a point.
        scale = params.spatialScale or 1.0
        if params.normalizedCoordinates:
            scale *= context.size(images, axis) - 1
        rows_and_columns.append(positions(builder, interval, method, points, scale))
    if coordinates == 5 and batch > 1:
        number = builder.op("Cast", _column(context, boxes, 0), attributes={"to": ir.DataType.INT64})
        number = builder.op("Reshape", number, builder.constant([-1]))
        patches = sample_each(builder, images, number, *rows_and_columns)
    else:
        patches = sample_all(builder, images, *rows_and_columns)
    context.output(patches if context.rank5 else _with_batch_axis(context, patches, repeated))


def _as_images(context: LayerContext, value: ir.Value) -> ir.Value:
    shape = context.static_shape(value)
    if context.rank5:
        return value
    if len(shape) != 5 or shape[0] != 1:
        raise InvalidModelError(
            f"the layer needs images of shape (1, B, C, H, W) but gets {shape}", where=context.where
        )
    return context.builder.op("Squeeze", value, context.builder.constant([0]))


def _with_batch_axis(context: LayerContext, patches: ir.Value, batch: int) -> ir.Value:
    tail = [context.size(patches, axis) for axis in (CHANNEL, HEIGHT, WIDTH)]
    return context.builder.op("Reshape", patches, context.builder.constant([-1, batch, *tail]))


def _column(context: LayerContext, boxes: ir.Value, index: int) -> ir.Value:
    """Coordinate ``index`` of all boxes, (n, 1)."""
    constant = context.builder.constant
    return context.builder.op("Slice", boxes, constant([index]), constant([index + 1]), constant([1]))
