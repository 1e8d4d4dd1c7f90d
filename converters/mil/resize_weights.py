"""How much each element of an axis counts for each element of the resized axis, by ONNX's definition of Resize.

Source: the ONNX specification of Resize (opset 19); positions are computed in float32, as onnxruntime does, so that
a position that is half way between two elements is half way here too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Resampling:
    """The attributes of a Resize that say how an axis is sampled.

    Attributes:
        mode: ``nearest``, ``linear`` or ``cubic``.
        transformation: the ``coordinate_transformation_mode``.
        nearest_mode: how a position is rounded.
        cubic_coefficient: the coefficient a of the cubic.
        exclude_outside: whether what lies outside counts nothing and the rest sums up to 1.
        antialias: whether a smaller axis is smoothed.
        extrapolation_value: what tf_crop_and_resize has outside.
    """

    mode: str
    transformation: str
    nearest_mode: str
    cubic_coefficient: float
    exclude_outside: bool
    antialias: bool
    extrapolation_value: float


@dataclass(frozen=True)
class Axis:
    """One axis that is resized.

    Attributes:
        size: its elements.
        count: its elements afterwards.
        scale: the factor that positions are computed with.
        window: the interval of the axis that tf_crop_and_resize takes, 0 … 1.
    """

    size: int
    count: int
    scale: float
    window: tuple[float, float] = (0.0, 1.0)


def scaled(size: int, scale: float) -> int:
    """An axis's elements after scaling, multiplied in float32 as onnxruntime does: 10 · 0.7 is 7."""
    return int(np.floor(np.float32(size) * np.float32(scale)))


def positions(how: Resampling, axis: Axis) -> NDArray[np.float32]:
    """Where each element of the resized axis lies on the original one: (count,)."""
    numbers = np.arange(axis.count, dtype=np.float32)
    scale, size, count = np.float32(axis.scale), np.float32(axis.size), np.float32(axis.count)
    one, half = np.float32(1), np.float32(0.5)
    mode = how.transformation
    if mode == "asymmetric":
        return numbers / scale
    if mode == "align_corners":
        # The length that the scale gives, of which the axis has the whole part.
        length = scale * size
        return numbers * (size - one) / (length - one) if axis.count > 1 else np.zeros(1, np.float32)
    if mode == "half_pixel" or (mode == "pytorch_half_pixel" and axis.count > 1):
        return (numbers + half) / scale - half
    if mode == "pytorch_half_pixel":
        return np.zeros(1, np.float32)
    if mode == "half_pixel_symmetric":
        adjustment = count / (scale * size)
        centre = size / np.float32(2)
        return centre * (one - adjustment) + (numbers + half) / scale - half
    if mode == "tf_crop_and_resize":
        start, end = (np.float32(edge) for edge in axis.window)
        if axis.count == 1:
            return np.array([half * (start + end) * (size - one)], dtype=np.float32)
        return start * (size - one) + numbers * (end - start) * (size - one) / (count - one)
    raise KeyError(mode)


def nearest_elements(how: Resampling, axis: Axis) -> NDArray[np.int32]:
    """The element of the original axis that each of the resized one is a copy of."""
    points = positions(how, axis)
    mode = how.nearest_mode
    if mode == "floor":
        numbers = np.floor(points)
    elif mode == "ceil":
        numbers = np.ceil(points)
    elif mode == "round_prefer_ceil":
        numbers = np.floor(points + np.float32(0.5))
    elif mode == "round_prefer_floor":
        numbers = np.ceil(points - np.float32(0.5))
    else:
        raise KeyError(mode)
    return np.clip(numbers, 0, axis.size - 1).astype(np.int32)


def outside(how: Resampling, axis: Axis) -> NDArray[np.bool_]:
    """Which elements of the resized axis have the extrapolation value."""
    if how.transformation != "tf_crop_and_resize":
        return np.zeros(axis.count, dtype=np.bool_)
    points = positions(how, axis)
    return (points < 0) | (points > axis.size - 1)


def weights(how: Resampling, axis: Axis) -> NDArray[np.float32]:
    """The matrix that makes the resized axis of the original one: (count, size)."""
    matrix = np.zeros((axis.count, axis.size), dtype=np.float64)
    if how.mode == "nearest":
        matrix[np.arange(axis.count), nearest_elements(how, axis)] = 1
        return matrix.astype(np.float32)
    stretch = 1.0
    if how.antialias and axis.scale < 1:
        stretch = 1.0 / axis.scale
    radius = (1 if how.mode == "linear" else 2) * stretch
    for row, point in enumerate(positions(how, axis).astype(np.float64)):
        first, last = int(np.floor(point - radius)), int(np.ceil(point + radius))
        taps = np.arange(first, last + 1)
        amounts = _kernel(how, (taps - point) / stretch)
        if how.antialias:
            amounts = amounts / amounts.sum()
        if how.exclude_outside:
            amounts = np.where((taps >= 0) & (taps < axis.size), amounts, 0)
            amounts = amounts / amounts.sum()
        np.add.at(matrix[row], np.clip(taps, 0, axis.size - 1), amounts)
    return matrix.astype(np.float32)


def _kernel(how: Resampling, distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """What an element counts at a distance from a position, in elements."""
    far = np.abs(distances)
    if how.mode == "linear":
        falling: NDArray[np.float64] = np.maximum(0, 1 - far)
        return falling
    a = how.cubic_coefficient
    near = ((a + 2) * far - (a + 3)) * far * far + 1
    wide = ((a * far - 5 * a) * far + 8 * a) * far - 4 * a
    amounts: NDArray[np.float64] = np.where(far <= 1, near, np.where(far < 2, wide, 0))
    return amounts
