"""Bilinear sampling in NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def sample_zeros(images: Floats, x: Floats, y: Floats) -> Floats:
    """Bilinear values at pixel positions, with zeros around the pictures; NaN and infinite positions give 0.

    Args:
        images: (N, C, H, W).
        x: columns, (N, h, w), in elements.
        y: rows, likewise.

    Returns:
        (N, C, h, w), of the images' type.
    """
    height, width = images.shape[2:]
    # One element of zeros before and two behind let every corner be read without a mask. Positions further out than
    # that are moved onto the zeros.
    padded = np.pad(images, ((0, 0), (0, 0), (1, 2), (1, 2)))
    x = np.clip(np.nan_to_num(x, nan=-1.0), -1, width) + 1
    y = np.clip(np.nan_to_num(y, nan=-1.0), -1, height) + 1
    return _sample_inside(padded, x, y)


def sample_border(images: Floats, x: Floats, y: Floats) -> Floats:
    """Bilinear values at pixel positions, those outside moved to the border; NaN gives 0. See :func:`sample_zeros`."""
    height, width = images.shape[2:]
    padded = np.pad(images, ((0, 0), (0, 0), (0, 1), (0, 1)))
    unknown = np.isnan(x) | np.isnan(y)
    x = np.clip(np.where(unknown, 0, x), 0, width - 1)
    y = np.clip(np.where(unknown, 0, y), 0, height - 1)
    return np.where(unknown[:, None], images.dtype.type(0), _sample_inside(padded, x, y))


def _sample_inside(padded: Floats, x: Floats, y: Floats) -> Floats:
    """As :func:`sample_zeros`, for positions whose four corners all lie in the picture."""
    count, channels, height, width = padded.shape
    left, top = x.astype(np.int64), y.astype(np.int64)
    to_right, to_bottom = (x - left).astype(padded.dtype), (y - top).astype(padded.dtype)
    corner = top * width + left
    corner += (np.arange(count) * (height * width)).reshape(-1, 1, 1)
    if channels == 1:
        elements: Floats = padded.reshape(-1)
        upper = _mix(elements.take(corner), elements.take(corner + 1), to_right)
        corner += width
        lower = _mix(elements.take(corner), elements.take(corner + 1), to_right)
        return _mix(upper, lower, to_bottom)[:, None]
    # All channels of an element lie side by side, so that each corner is one row.
    elements = np.ascontiguousarray(padded.transpose(0, 2, 3, 1)).reshape(-1, channels)
    to_right, to_bottom = to_right[..., None], to_bottom[..., None]
    upper = _mix(elements.take(corner, axis=0), elements.take(corner + 1, axis=0), to_right)
    corner += width
    lower = _mix(elements.take(corner, axis=0), elements.take(corner + 1, axis=0), to_right)
    return np.ascontiguousarray(_mix(upper, lower, to_bottom).transpose(0, 3, 1, 2))


def _mix(first: Floats, second: Floats, share: Floats) -> Floats:
    # Not first + share · (second − first): an infinite or huge neighbour of weight 0 must not spoil the value more
    # than it does on the device, and both ends are met exactly.
    return first * (1 - share) + second * share
