"""Boxes cut out of images and resized by bilinear interpolation.

A point outside the image has ``pad_value`` (iOS 16 and later, as tf.image.crop_and_resize); before that, the
value at the image's border.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.box_sampling import intervals, outside, positions, sample_all, sample_each
from mltoolkit.converters.interpolation import SamplingMode
from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.parameters import (
    check_elements,
    check_rank,
    choice,
    flag,
    real_number,
    whole_number,
)
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.converters.ml_program.sizes import reshaped
from mltoolkit.errors import InvalidModelError

# Whether the box is given by centre and size, and whether widths come first.
_BOX_MODES = {
    "CORNERS_HEIGHT_FIRST": (False, False),
    "CORNERS_WIDTH_FIRST": (False, True),
    "CENTER_SIZE_HEIGHT_FIRST": (True, False),
    "CENTER_SIZE_WIDTH_FIRST": (True, True),
}


@converts("crop_resize")
def convert_crop_resize(context: MilContext) -> None:
    """Images [B, C, H, W] and boxes → patches.

    iOS 15 and 16: boxes [n, 1, 4, 1, 1] are cut out of every image, [n, B, C, H', W']; of boxes
    [n, 1, 5, 1, 1] the first coordinate is the image's number, [n, 1, C, H', W']. iOS 17: boxes [n, 4] of
    images ``box_indices`` [n], [n, C, H', W'].
    """
    check_rank(context, "x", 4)
    images = context.value("x")
    batch, channels = context.static_shape(images)[:2]
    target = [whole_number(context, name, 1, minimum=1) for name in ("target_height", "target_width")]
    boxes, numbers = _boxes(context)
    rows, columns = _positions(context, boxes, target)
    # One image is every box's, whatever its number.
    each = numbers is not None and batch > 1
    count = context.shape(boxes)[0]
    check_elements(context, [count, 1 if each else batch, channels, *target])
    if each:
        assert numbers is not None
        patches = sample_each(context.builder, images, numbers, rows, columns)
    else:
        patches = sample_all(context.builder, images, rows, columns)
    repeated = batch if numbers is None else 1
    separate = reshaped(context, patches, [-1, repeated, channels, *target])
    if context.has("pad_value"):
        beyond = outside(context.builder, images, rows, columns)
        beyond = context.op("Unsqueeze", beyond, context.constant([1]))
        padding = context.constant(real_number(context, "pad_value"))
        separate = context.op("Where", beyond, padding, separate)
    without_image_axis = context.has("boxes")
    context.output(reshaped(context, separate, [-1, channels, *target]) if without_image_axis else separate)


def _boxes(context: MilContext) -> tuple[ir.Value, ir.Value | None]:
    """Boxes (n, 4), and the number of each box's image, None where they belong to every image."""
    if context.has("boxes"):
        boxes = context.cast(context.value("boxes"), np.float32)
        if context.rank(boxes) != 2 or context.shape(boxes)[1] not in (4, None):
            raise InvalidModelError(f"the boxes have shape {context.shape(boxes)}", where=context.where)
        if context.has("box_indices"):
            return boxes, context.cast(context.value("box_indices"), np.int64)
        return boxes, context.constant(np.arange(context.static_shape(boxes)[0], dtype=np.int64))
    shape = context.shape("roi")
    if len(shape) != 5 or shape[2] not in (4, 5):
        raise InvalidModelError(f"roi has shape {shape} where [n, 1, 4 or 5, 1, 1] is needed", where=context.where)
    boxes = reshaped(context, context.value("roi"), [-1, shape[2]])
    if shape[2] == 4:
        return boxes, None
    numbers = context.cast(reshaped(context, _column(context, boxes, 0), [-1]), np.int64)
    return _column(context, boxes, 1, 5), numbers


def _column(context: MilContext, boxes: ir.Value, first: int, end: int | None = None) -> ir.Value:
    ends = context.constant([first + 1 if end is None else end])
    return context.op("Slice", boxes, context.constant([first]), ends, context.constant([1]))


def _positions(context: MilContext, boxes: ir.Value, target: list[int]) -> tuple[ir.Value, ir.Value]:
    """Where every box is sampled, as rows (n, H') and columns (n, W') in pixels."""
    modes = [mode.value for mode in SamplingMode]
    mode = SamplingMode(choice(context, "sampling_mode", modes, "DEFAULT"))
    box_mode = choice(context, "box_coordinate_mode", _BOX_MODES, "CORNERS_HEIGHT_FIRST")
    centred, width_first = _BOX_MODES[box_mode]
    check_elements(context, [context.shape(boxes)[0], sum(target)])
    coordinates = [_column(context, boxes, index) for index in range(4)]
    both = intervals(context.builder, coordinates, centred=centred, width_first=width_first)
    results = []
    for size, interval, points in zip(context.static_shape("x")[2:], both, target, strict=True):
        scale = real_number(context, "spatial_scale", 1.0)
        if flag(context, "normalized_coordinates", False):
            scale *= size - 1
        results.append(positions(context.builder, interval, mode, points, scale))
    return results[0], results[1]
