"""RoiAlign: boxes cut out of images and resized, each value the mean or the greatest of some samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mltoolkit.converters.mil.registry import writes
from mltoolkit.converters.mil.sampling import inside, pixel_rows, read_rows, row_numbers, within
from mltoolkit.converters.mil.sizes import known_shape

if TYPE_CHECKING:
    from mltoolkit.converters.mil.context import NodeContext


@writes("RoiAlign")
def write_roi_align(node: NodeContext) -> Any:
    """Images [N, C, H, W], boxes (x₁, y₁, x₂, y₂) [R, 4] and their images [R] → [R, C, H', W'].

    MIL's ``crop_resize`` has other values outside the image, so every sample is read for itself.
    """
    x, boxes = node.input(0), node.input(1)
    ratio = node.attribute("sampling_ratio", 0)
    target = [node.attribute(name, 1) for name in ("output_height", "output_width")]
    if ratio < 1:
        node.refuse("how many samples are taken depends on the size of each box", "RoiAlign with sampling_ratio ≥ 1")
    shape = known_shape(node, x, "RoiAlign")
    count = known_shape(node, boxes, "RoiAlign")[0]
    sizes, rows = shape[2:], pixel_rows(node, x, shape)
    mb = node.mb
    across, down = ([number, number + 2] for number in range(2))
    taps = [
        _axis_taps(node, boxes, count, edges, size, bins * ratio)
        for edges, size, bins in zip((down, across), sizes, target, strict=True)
    ]
    image = mb.reshape(x=node.input(2), shape=[count, 1, 1]) if shape[0] > 1 else None
    samples: Any = None
    greatest = node.attribute("mode", "avg") == "max"
    for row, row_share in taps[0]:
        for column, column_share in taps[1]:
            shaped_row = mb.expand_dims(x=row, axes=[2])
            shaped_column = mb.expand_dims(x=column, axes=[1])
            numbers = row_numbers(node, [shaped_row, shaped_column], sizes, image)
            weight = mb.mul(x=mb.expand_dims(x=row_share, axes=[2]), y=mb.expand_dims(x=column_share, axes=[1]))
            value = mb.mul(x=read_rows(node, rows, numbers), y=mb.reshape(x=weight, shape=[-1, 1]))
            if samples is None:
                samples = value
            else:
                # ONNX takes the greatest of the weighted neighbours, not of their sums.
                samples = mb.maximum(x=samples, y=value) if greatest else mb.add(x=samples, y=value)
    grid = mb.reshape(x=samples, shape=[count, target[0] * ratio, target[1] * ratio, shape[1]])
    patches = mb.transpose(x=grid, perm=[0, 3, 1, 2])
    if ratio == 1:
        return patches
    pool = mb.max_pool if greatest else mb.avg_pool
    return pool(x=patches, kernel_sizes=[ratio, ratio], strides=[ratio, ratio], pad_type="valid")


def _axis_taps(
    node: NodeContext, boxes: Any, count: int, edges: list[int], size: int, samples: int
) -> list[tuple[Any, Any]]:
    """Both neighbours of each sample along an axis, (R, samples), and how much each counts."""
    mb = node.mb
    half = node.attribute("coordinate_transformation_mode", "half_pixel") == "half_pixel"
    scale = np.float32(node.attribute("spatial_scale", 1.0))
    first, last = (
        mb.sub(
            x=mb.mul(x=mb.slice_by_index(x=boxes, begin=[0, edge], end=[count, edge + 1]), y=scale),
            y=np.float32(0.5 if half else 0.0),
        )
        for edge in edges
    )
    length = mb.sub(x=last, y=first)
    if not half:
        length = mb.maximum(x=length, y=np.float32(1))
    fractions = ((np.arange(samples) + 0.5) / samples).astype(np.float32)[np.newaxis]
    points = mb.add(x=mb.mul(x=length, y=fractions), y=first)
    # A point more than a pixel outside counts nothing, one less than that is moved to the image.
    counts = inside(node, points, -1.0, float(size))
    moved = within(node, points, size)
    below = mb.floor(x=moved)
    above = within(node, mb.add(x=below, y=np.float32(1)), size)
    share = mb.sub(x=moved, y=below)
    return [
        (below, mb.mul(x=counts, y=mb.sub(x=np.float32(1), y=share))),
        (above, mb.mul(x=counts, y=share)),
    ]
