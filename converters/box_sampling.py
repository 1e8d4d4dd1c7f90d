"""Boxes cut out of images and resized by bilinear interpolation, whatever format asks for it.

A box from p to q is sampled like an axis of size X = q − p + 1 that begins at p (see ``interpolation.py``).
Positions are in pixels: 0 is the first one's centre.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.interpolation import SamplingMode, fractions, shift
from mltoolkit.graph.builder import GraphBuilder, shape_of

# A box along one axis: where it starts and ends, (n, 1) each.
Interval = tuple[ir.Value, ir.Value]


def intervals(
    builder: GraphBuilder, coordinates: Sequence[ir.Value], *, centred: bool, width_first: bool
) -> tuple[Interval, Interval]:
    """Boxes along height and along width.

    Args:
        builder: receives the nodes.
        coordinates: four columns (n, 1): two of a corner and two of the opposite one; or of the centre and
            of the size.
        centred: whether they are centre and size.
        width_first: whether the horizontal one comes first.
    """
    a, b, c, d = coordinates
    first, second = (a, c), (b, d)
    if centred:
        first, second = _around_centre(builder, *first), _around_centre(builder, *second)
    return (second, first) if width_first else (first, second)


def _around_centre(builder: GraphBuilder, centre: ir.Value, size: ir.Value) -> Interval:
    reach = builder.op("Mul", size, _number(builder, 0.5))
    return builder.op("Sub", centre, reach), builder.op("Add", centre, reach)


def positions(builder: GraphBuilder, interval: Interval, mode: SamplingMode, count: int, scale: float) -> ir.Value:
    """Where every box is sampled along one axis, (n, count).

    Args:
        builder: receives the nodes.
        interval: the boxes.
        mode: where the points lie.
        count: how many.
        scale: pixels for each unit of the interval.
    """
    start, end = (builder.op("Mul", bound, _number(builder, scale)) for bound in interval)
    span = builder.op("Sub", end, start)
    if mode is SamplingMode.OFFSET_CORNERS:
        span = builder.op("Max", span, _number(builder, 1))
    elif not mode.aligned:
        span = builder.op("Add", span, _number(builder, 1))
    shares = builder.constant(fractions(mode, count).astype(np.float32).reshape(1, count))
    grid = builder.op("Add", start, builder.op("Mul", span, shares))
    if shift(mode):
        grid = builder.op("Max", builder.op("Add", grid, _number(builder, shift(mode))), start)
    return grid if mode.aligned else builder.op("Min", grid, end)


def sample_each(
    builder: GraphBuilder, images: ir.Value, numbers: ir.Value, rows: ir.Value, columns: ir.Value
) -> ir.Value:
    """Box i of image ``numbers[i]``: (n, C, H', W') of images (B, C, H, W), rows (n, H'), columns (n, W').

    Positions outside an image have the value at its border.
    """
    chosen = builder.op("Gather", images, numbers, attributes={"axis": 0})
    return _grid_sample(builder, chosen, _pairs(builder, images, rows, columns))


def sample_all(builder: GraphBuilder, images: ir.Value, rows: ir.Value, columns: ir.Value) -> ir.Value:
    """Every box of every image: (n · B, C, H', W'), boxes slowest; see :func:`sample_each`.

    An image's boxes are one tall grid.
    """
    height, width = shape_of(rows)[1], shape_of(columns)[1]
    batch, channels = shape_of(images)[:2]
    assert isinstance(height, int) and isinstance(width, int)
    assert isinstance(batch, int) and isinstance(channels, int)
    pairs = _pairs(builder, images, rows, columns)
    grid = builder.op("Reshape", pairs, builder.constant([1, -1, width, 2]))
    if batch > 1:
        grid = builder.op("Expand", grid, builder.constant([batch, 1, 1, 1]))
    sampled = _grid_sample(builder, images, grid)
    apart = builder.op("Reshape", sampled, builder.constant([batch, channels, -1, height, width]))
    boxes_first = builder.op("Transpose", apart, attributes={"perm": [2, 0, 1, 3, 4]})
    return builder.op("Reshape", boxes_first, builder.constant([-1, channels, height, width]))


def outside(builder: GraphBuilder, images: ir.Value, rows: ir.Value, columns: ir.Value) -> ir.Value:
    """Which sampled positions lie outside the images: bool (n, 1, H', W')."""
    parts = []
    for places, axis, between in ((rows, 2, [1, 3]), (columns, 3, [1, 2])):
        size = shape_of(images)[axis]
        assert isinstance(size, int)
        before = builder.op("Less", places, _number(builder, 0))
        behind = builder.op("Greater", places, _number(builder, size - 1))
        beyond = builder.op("Or", before, behind)
        parts.append(builder.op("Unsqueeze", beyond, builder.constant(between)))
    return builder.op("Or", *parts)


def _number(builder: GraphBuilder, value: float) -> ir.Value:
    return builder.constant(np.asarray(value, dtype=np.float32))


def _pairs(builder: GraphBuilder, images: ir.Value, rows: ir.Value, columns: ir.Value) -> ir.Value:
    """GridSample's (n, H', W', 2) of x and y, in −1..1 from the first to the last pixel."""
    height, width = shape_of(rows)[1], shape_of(columns)[1]
    assert isinstance(height, int) and isinstance(width, int)
    parts = []
    for places, axis, shape, repeats in (
        (columns, 3, [-1, 1, width, 1], [1, height, 1, 1]),
        (rows, 2, [-1, height, 1, 1], [1, 1, width, 1]),
    ):
        size = shape_of(images)[axis]
        assert isinstance(size, int)
        # An axis of one pixel has no extent to divide by; GridSample clamps to the border.
        scaled = builder.op("Mul", places, _number(builder, 2 / max(size - 1, 1)))
        normalized = builder.op("Sub", scaled, _number(builder, 1))
        normalized = builder.op("Reshape", normalized, builder.constant(shape))
        parts.append(builder.op("Expand", normalized, builder.constant(repeats)))
    return builder.op("Concat", *parts, attributes={"axis": 3})


def _grid_sample(builder: GraphBuilder, images: ir.Value, grid: ir.Value) -> ir.Value:
    attributes = {"mode": "linear", "padding_mode": "border", "align_corners": 1}
    return builder.op("GridSample", images, grid, attributes=attributes)
