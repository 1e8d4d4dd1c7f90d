"""Resizing of images and of single axes, whatever format asks for it.

Where ONNX's Resize knows the grid points it is used; else each point is mixed from its two neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.converters.interpolation import SamplingMode, grid_points, onnx_transformation
from mltoolkit.graph.builder import GraphBuilder, shape_of

# Height and width of [N, C, H, W].
SPATIAL = (2, 3)
# Element ⌊i · X / N⌋ at place i of N on an axis of size X.
NEAREST = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}


def resize_bilinear(builder: GraphBuilder, image: ir.Value, target: tuple[int, int], mode: SamplingMode) -> ir.Value:
    """Bilinear interpolation at the grid points of a mode.

    Args:
        builder: receives the nodes.
        image: [N, C, H, W], height and width known.
        target: the new height and width.
        mode: where the points lie.

    Returns:
        [N, C, *target].
    """
    transformations = [onnx_transformation(mode, count) for count in target]
    if transformations[0] is not None and transformations[0] == transformations[1]:
        return resize_node(builder, image, linear(transformations[0]), sizes=target)
    for axis, count, transformation in zip(SPATIAL, target, transformations, strict=True):
        if transformation is not None:
            attributes = linear(transformation)
            image = resize_node(builder, image, attributes, sizes=(count,), axes=(axis,))
        else:
            size = shape_of(image)[axis]
            assert isinstance(size, int)
            image = mix_axis(builder, image, axis, grid_points(mode, size, count))
    return image


def linear(transformation: str) -> dict[str, Any]:
    """Attributes of a linear Resize."""
    return {"mode": "linear", "coordinate_transformation_mode": transformation}


def resize_node(
    builder: GraphBuilder,
    image: ir.Value,
    attributes: dict[str, Any],
    *,
    sizes: Sequence[int] = (),
    scales: Sequence[float] = (),
    axes: Sequence[int] = SPATIAL,
) -> ir.Value:
    """ONNX's Resize of ``axes`` of [N, C, H, W], to sizes or by scales.

    Written for all axes where that is possible: onnxruntime's transpose optimizer forgets the attribute ``axes`` when
    it moves a Transpose past a Resize.
    """
    shape = shape_of(image)
    if scales:
        factors = np.ones(len(shape), dtype=np.float32)
        factors[list(axes)] = scales
        return builder.op("Resize", image, None, builder.constant(factors), attributes=attributes)
    places = dict(zip(axes, sizes, strict=True))
    target = [size for size in (places.get(axis, size) for axis, size in enumerate(shape)) if isinstance(size, int)]
    if len(target) == len(shape):
        return builder.op("Resize", image, None, None, builder.constant(target), attributes=attributes)
    given = builder.constant(list(sizes))
    return builder.op("Resize", image, None, None, given, attributes=attributes | {"axes": list(axes)})


def mix_axis(builder: GraphBuilder, value: ir.Value, axis: int, points: NDArray[np.float64]) -> ir.Value:
    """Linear interpolation along an axis of known size at constant points 0 … size − 1."""
    size = shape_of(value)[axis]
    assert isinstance(size, int)
    below = np.floor(points).astype(np.int64)
    above = np.minimum(below + 1, size - 1)
    share = (points - below).astype(np.float32)
    return mix_neighbours(
        builder,
        value,
        axis,
        *(builder.constant(array) for array in (below, above, 1 - share, share)),
    )


def mix_neighbours(
    builder: GraphBuilder,
    value: ir.Value,
    axis: int,
    below: ir.Value,
    above: ir.Value,
    below_share: ir.Value,
    above_share: ir.Value,
) -> ir.Value:
    """Sums of two elements of an axis, weighted with their shares; the last four are vectors (N,)."""
    behind = len(shape_of(value)) - 1 - axis
    taps = []
    for indices, shares in ((below, below_share), (above, above_share)):
        # (N, 1, …): broadcasts over the axes behind.
        weights = builder.op("Reshape", shares, builder.constant([-1] + [1] * behind))
        picked = builder.op("Gather", value, indices, attributes={"axis": axis})
        taps.append(builder.op("Mul", picked, weights))
    return builder.op("Add", *taps)
