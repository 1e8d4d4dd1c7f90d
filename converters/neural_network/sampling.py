"""Grid points at which the resizing layers sample an axis.

Source: NeuralNetwork.proto, message SamplingMode: N points on an axis of size X.

    STRICT_ALIGN_ENDPOINTS  linspace(0, X − 1, N)
    ALIGN_ENDPOINTS         the same, but (X − 1) / 2 when N = 1
    UPSAMPLE                linspace(0, X − X / N, N)
    ROI_ALIGN               linspace(s / 2, s / 2 + (N − 1) · s, N), s = max(1, X − 1) / N

All are clamped to X − 1. The first three are coordinate transformations of ONNX's Resize. So is the last
(tf_crop_and_resize), but onnxruntime copies an axis whose size does not change, which is wrong for it.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import InvalidModelError

if TYPE_CHECKING:
    from mltoolkit.converters.neural_network.context import LayerContext


class SamplingMethod(enum.IntEnum):
    """SamplingMode.Method."""

    STRICT_ALIGN_ENDPOINTS = 0
    ALIGN_ENDPOINTS = 1
    UPSAMPLE = 2
    ROI_ALIGN = 3


def read_method(context: LayerContext, number: int) -> SamplingMethod:
    """The sampling method of that number.

    Raises:
        InvalidModelError: there is none.
    """
    if number not in list(SamplingMethod):
        raise InvalidModelError(f"the sampling mode {number} is unknown", where=context.where)
    return SamplingMethod(number)


def onnx_transformation(method: SamplingMethod, points: int) -> str | None:
    """The ``coordinate_transformation_mode`` of ONNX's Resize for that many points, if there is one."""
    if method is SamplingMethod.UPSAMPLE:
        return "asymmetric"
    if method is SamplingMethod.ALIGN_ENDPOINTS and points == 1:
        # half_pixel puts the single point at 0.5 · X − 0.5.
        return "half_pixel"
    if method is SamplingMethod.ROI_ALIGN:
        return None
    return "align_corners"


def roi_align_points(size: int, points: int) -> NDArray[np.float64]:
    """Where ROI_ALIGN samples an axis of that size."""
    spacing = max(1, size - 1) / points
    positions: NDArray[np.float64] = np.minimum(size - 1.0, (np.arange(points) + 0.5) * spacing)
    return positions


def relative_points(method: SamplingMethod, points: int) -> NDArray[np.float32]:
    """The points of an interval [p, q] as fractions t in p + t · extent.

    The extent is q − p, but q − p + 1 for UPSAMPLE and max(1, q − p) for ROI_ALIGN.
    """
    steps = np.arange(points, dtype=np.float64)
    if method is SamplingMethod.UPSAMPLE:
        fractions = steps / points
    elif method is SamplingMethod.ROI_ALIGN:
        fractions = (steps + 0.5) / points
    elif points > 1:
        fractions = steps / (points - 1)
    else:
        fractions = np.full(1, 0.5 if method is SamplingMethod.ALIGN_ENDPOINTS else 0.0)
    return fractions.astype(np.float32)
