"""Grid points at which Core ML samples an axis that it resizes.

Sources: NeuralNetwork.proto, message SamplingMode, and MIL's ``resize_bilinear``, which names the same modes
otherwise and adds one: N points on an axis of size X.

    STRICT_ALIGN_CORNERS  linspace(0, X − 1, N)
    ALIGN_CORNERS         the same, but (X − 1) / 2 when N = 1
    DEFAULT               i · X / N
    OFFSET_CORNERS        (i + ½) · max(1, X − 1) / N
    UNALIGN_CORNERS       (i + ½) · X / N − ½

All are clamped to 0 … X − 1. In each, point i is ``fraction i · extent + shift``: see :func:`fractions`,
:func:`extent` and :func:`shift`.
"""

from __future__ import annotations

import enum

import numpy as np
from numpy.typing import NDArray


class SamplingMode(enum.Enum):
    """How an axis is sampled, by MIL's names."""

    STRICT_ALIGN_CORNERS = "STRICT_ALIGN_CORNERS"
    ALIGN_CORNERS = "ALIGN_CORNERS"
    DEFAULT = "DEFAULT"
    OFFSET_CORNERS = "OFFSET_CORNERS"
    UNALIGN_CORNERS = "UNALIGN_CORNERS"

    @property
    def centred(self) -> bool:
        """Whether the points are the centres of N equal parts, not their beginnings."""
        return self in (SamplingMode.OFFSET_CORNERS, SamplingMode.UNALIGN_CORNERS)

    @property
    def aligned(self) -> bool:
        """Whether the first and the last point are the ends of the axis."""
        return self in (SamplingMode.STRICT_ALIGN_CORNERS, SamplingMode.ALIGN_CORNERS)


def fractions(mode: SamplingMode, count: int) -> NDArray[np.float64]:
    """Where the points lie between 0, the start of the extent, and 1, its end: (count,)."""
    steps = np.arange(count, dtype=np.float64)
    if mode.centred:
        return (steps + 0.5) / count
    if not mode.aligned:
        return steps / count
    if count > 1:
        return steps / (count - 1)
    return np.full(1, 0.5 if mode is SamplingMode.ALIGN_CORNERS else 0.0)


def extent(mode: SamplingMode, size: int) -> int:
    """What the points of an axis of that size are spread over."""
    if mode.aligned:
        return size - 1
    return max(1, size - 1) if mode is SamplingMode.OFFSET_CORNERS else size


def shift(mode: SamplingMode) -> float:
    """What is added to all points."""
    return -0.5 if mode is SamplingMode.UNALIGN_CORNERS else 0.0


def grid_points(mode: SamplingMode, size: int, count: int) -> NDArray[np.float64]:
    """The points on an axis of that size: (count,)."""
    points = fractions(mode, count) * extent(mode, size) + shift(mode)
    clamped: NDArray[np.float64] = np.clip(points, 0, size - 1)
    return clamped


def onnx_transformation(mode: SamplingMode, count: int) -> str | None:
    """The ``coordinate_transformation_mode`` of ONNX's Resize for that many points, if there is one.

    OFFSET_CORNERS would be tf_crop_and_resize, but onnxruntime copies an axis whose size does not change,
    which is wrong for it.
    """
    if mode is SamplingMode.DEFAULT:
        return "asymmetric"
    if mode is SamplingMode.UNALIGN_CORNERS:
        return "half_pixel"
    if mode is SamplingMode.ALIGN_CORNERS and count == 1:
        # half_pixel puts the single point at 0.5 · X − 0.5.
        return "half_pixel"
    return None if mode is SamplingMode.OFFSET_CORNERS else "align_corners"
