"""DeformConv: a convolution whose kernel looks at places that the model computes.

Every place is read from the image by bilinear interpolation, zeros outside; the values of all places of a kernel then
go through a convolution of width 1.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.converters.mil.registry import writes
from mltoolkit.converters.mil.sampling import inside, pixel_rows, read_rows, row_numbers, within
from mltoolkit.converters.mil.sizes import known_shape

if TYPE_CHECKING:
    from mltoolkit.converters.mil.context import NodeContext


@writes("DeformConv")
def write_deformed_convolution(node: NodeContext) -> Any:
    """Image [N, C, H, W], kernel [O, C / groups, h, w], offsets [N, G · h · w · 2, H', W'] → [N, O, H', W']."""
    mb, x, offsets = node.mb, node.input(0), node.input(2)
    if x.rank != 4:
        node.refuse(f"it convolves over {x.rank - 2} axes", "two spatial axes")
    kernel = node.needed_constant(1, "W").astype(np.float32)
    batch, channels, *sizes = known_shape(node, x, "DeformConv")
    target = known_shape(node, offsets, "DeformConv")[2:]
    parts, taps, points = node.attribute("offset_group", 1), int(np.prod(kernel.shape[2:])), int(np.prod(target))
    images = batch * parts
    moved = mb.reshape(x=offsets, shape=[images, taps, 2, points])
    coordinates = []
    for axis, base in enumerate(_regular_places(node, kernel.shape[2:], target)):
        one = mb.slice_by_index(x=moved, begin=[0, 0, axis, 0], end=[images, taps, axis + 1, points])
        coordinates.append(mb.add(x=mb.squeeze(x=one, axes=[2]), y=base))
    shares = None
    if node.has(4):
        shares = mb.reshape(x=node.input(4), shape=[images, taps, points])
    values = _read(node, x, (images, channels // parts, *sizes), coordinates, shares)
    # (images, taps, points, channels of the part) → all channels with their taps.
    by_place = mb.reshape(x=values, shape=[images, taps, points, channels // parts])
    columns = mb.reshape(x=mb.transpose(x=by_place, perm=[0, 3, 1, 2]), shape=[batch, channels * taps, points])
    bias = node.optional(3)
    fixed = bias is not None and bias.val is not None
    weights = kernel.reshape(len(kernel), -1, 1)
    result = mb.conv(
        x=columns,
        weight=weights,
        bias=bias if fixed else None,
        groups=node.attribute("group", 1),
        pad_type="valid",
    )
    if bias is not None and not fixed:
        result = mb.add(x=result, y=mb.reshape(x=bias, shape=[1, -1, 1]))
    return mb.reshape(x=result, shape=[batch, len(kernel), *target])


def _regular_places(node: NodeContext, kernel: Any, target: Any) -> list[NDArray[np.float32]]:
    """Where a kernel that is not deformed looks, along each axis: (taps, points)."""
    strides, dilations = node.attribute("strides", [1, 1]), node.attribute("dilations", [1, 1])
    pads = node.attribute("pads", [0] * 4)
    axes = []
    for axis in range(2):
        steps = np.arange(target[axis]) * strides[axis] - pads[axis]
        reach = np.arange(kernel[axis]) * dilations[axis]
        # (h, w, H', W')
        shape = [1, 1, 1, 1]
        shape[axis], shape[2 + axis] = kernel[axis], target[axis]
        axes.append((reach[:, np.newaxis] + steps).reshape(shape))
    taps, points = int(np.prod(kernel)), int(np.prod(target))
    return [np.ascontiguousarray(grid, np.float32).reshape(taps, points) for grid in np.broadcast_arrays(*axes)]


def _read(node: NodeContext, x: Any, shape: tuple[int, ...], coordinates: list[Any], shares: Any) -> Any:
    """The image at places (images, taps, points), times how much each counts: one row of channels a place."""
    mb, sizes = node.mb, shape[2:]
    rows = pixel_rows(node, mb.reshape(x=x, shape=list(shape)), shape)
    image = np.arange(shape[0], dtype=np.int32).reshape(-1, 1, 1) if shape[0] > 1 else None
    neighbours = []
    for coordinate in coordinates:
        below = mb.floor(x=coordinate)
        share = mb.sub(x=coordinate, y=below)
        above = mb.add(x=below, y=np.float32(1))
        neighbours.append([(below, mb.sub(x=np.float32(1), y=share)), (above, share)])
    total: Any = None
    for combination in itertools.product(*neighbours):
        weight = shares
        for (place, share), size in zip(combination, sizes, strict=True):
            here = mb.mul(x=share, y=inside(node, place, 0, size - 1))
            weight = here if weight is None else mb.mul(x=weight, y=here)
        places = [within(node, place, size) for (place, _), size in zip(combination, sizes, strict=True)]
        values = read_rows(node, rows, row_numbers(node, places, sizes, image))
        value = mb.mul(x=values, y=mb.reshape(x=weight, shape=[-1, 1]))
        total = value if total is None else mb.add(x=total, y=value)
    return total
