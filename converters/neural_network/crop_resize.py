"""Crop-resize layer: boxes cut out of images and resized by bilinear interpolation.

Source: NeuralNetwork.proto, messages CropResizeLayerParams, BoxCoordinatesMode and SamplingMode. A box from p
to q is sampled like an axis of size X = q − p + 1 that begins at p (see sampling.py); points beyond the image
take the value at its border ("grid points have to lie in the interval [0, X-1]").
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.neural_network.context import CHANNEL, HEIGHT, WIDTH, LayerContext
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.converters.neural_network.sampling import SamplingMethod, read_method, relative_points
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
        raise InvalidModelError(
            f"the box mode {params.boxIndicesMode.boxMode} is unknown", where=context.where
        )
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
    vertical, horizontal = _intervals(context, boxes, coordinates - 4)
    rows = _grid(context, vertical, context.size(images, HEIGHT), method, target[0])
    columns = _grid(context, horizontal, context.size(images, WIDTH), method, target[1])
    if coordinates == 5 and batch > 1:
        number = builder.op("Cast", _column(context, boxes, 0), attributes={"to": ir.DataType.INT64})
        number = builder.op("Reshape", number, builder.constant([-1]))
        patches = _sample_each(context, images, number, rows, columns, target)
    else:
        patches = _sample_all(context, images, rows, columns, target)
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


def _intervals(
    context: LayerContext, boxes: ir.Value, first: int
) -> tuple[tuple[ir.Value, ir.Value], tuple[ir.Value, ir.Value]]:
    """The intervals (from, to) of the boxes along height and width, each (n, 1), in the file's units."""
    centered, width_first = _BOX_MODES[context.params.boxIndicesMode.boxMode]
    a, b, c, d = (_column(context, boxes, first + index) for index in range(4))
    first_axis, second_axis = (a, c), (b, d)
    if centered:
        first_axis, second_axis = _around_center(context, *first_axis), _around_center(context, *second_axis)
    return (second_axis, first_axis) if width_first else (first_axis, second_axis)


def _around_center(context: LayerContext, center: ir.Value, size: ir.Value) -> tuple[ir.Value, ir.Value]:
    builder = context.builder
    reach = builder.op("Mul", size, builder.constant(np.asarray(0.5, dtype=np.float32)))
    return builder.op("Sub", center, reach), builder.op("Add", center, reach)


def _grid(
    context: LayerContext, interval: tuple[ir.Value, ir.Value], size: int, method: SamplingMethod, points: int
) -> ir.Value:
    """Sampling points of every box along one axis, (n, points), in −1..1 from the first to the last pixel."""
    builder = context.builder

    def number(value: float) -> ir.Value:
        return builder.constant(np.asarray(value, dtype=np.float32))

    params = context.params
    # proto3 cannot tell an unset scale from 0, which would make every box a point.
    factor = (params.spatialScale or 1.0) * (size - 1 if params.normalizedCoordinates else 1)
    start, end = (builder.op("Mul", bound, number(factor)) for bound in interval)
    extent = builder.op("Sub", end, start)
    if method is SamplingMethod.UPSAMPLE:
        extent = builder.op("Add", extent, number(1))
    elif method is SamplingMethod.ROI_ALIGN:
        extent = builder.op("Max", extent, number(1))
    fractions = builder.constant(relative_points(method, points).reshape(1, points))
    grid = builder.op("Add", start, builder.op("Mul", extent, fractions))
    if method in (SamplingMethod.UPSAMPLE, SamplingMethod.ROI_ALIGN):
        grid = builder.op("Min", grid, end)
    # GridSample clamps to the border; an axis of one pixel has no extent to divide by.
    return builder.op("Sub", builder.op("Mul", grid, number(2 / max(size - 1, 1))), number(1))


def _pairs(context: LayerContext, rows: ir.Value, columns: ir.Value, target: tuple[int, int]) -> ir.Value:
    """GridSample's (n, H', W', 2) of x and y."""
    builder = context.builder
    height, width = target
    x = builder.op("Reshape", columns, builder.constant([-1, 1, width, 1]))
    y = builder.op("Reshape", rows, builder.constant([-1, height, 1, 1]))
    x = builder.op("Expand", x, builder.constant([1, height, 1, 1]))
    y = builder.op("Expand", y, builder.constant([1, 1, width, 1]))
    return builder.op("Concat", x, y, attributes={"axis": 3})


def _grid_sample(context: LayerContext, images: ir.Value, grid: ir.Value) -> ir.Value:
    attributes = {"mode": "linear", "padding_mode": "border", "align_corners": 1}
    return context.builder.op("GridSample", images, grid, attributes=attributes)


def _sample_each(
    context: LayerContext,
    images: ir.Value,
    number: ir.Value,
    rows: ir.Value,
    columns: ir.Value,
    target: tuple[int, int],
) -> ir.Value:
    """Box i of image ``number[i]``: (n, C, H', W')."""
    chosen = context.builder.op("Gather", images, number, attributes={"axis": 0})
    return _grid_sample(context, chosen, _pairs(context, rows, columns, target))


def _sample_all(
    context: LayerContext, images: ir.Value, rows: ir.Value, columns: ir.Value, target: tuple[int, int]
) -> ir.Value:
    """Every box of every image: (n · B, C, H', W'), boxes slowest. An image's boxes are one tall grid."""
    builder = context.builder
    height, width = target
    batch, channels = context.size(images, 0), context.size(images, 1)
    grid = builder.op("Reshape", _pairs(context, rows, columns, target), builder.constant([1, -1, width, 2]))
    if batch > 1:
        grid = builder.op("Expand", grid, builder.constant([batch, 1, 1, 1]))
    sampled = _grid_sample(context, images, grid)
    apart = builder.op("Reshape", sampled, builder.constant([batch, channels, -1, height, width]))
    boxes_first = builder.op("Transpose", apart, attributes={"perm": [2, 0, 1, 3, 4]})
    return builder.op("Reshape", boxes_first, builder.constant([-1, channels, height, width]))
