"""Where an affine map or a grid of −1..1 coordinates looks in a picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def base_axis(size: int, *, align_corners: bool, dtype: type[np.floating]) -> Floats:
    """The coordinates of ``size`` output elements in −1..1, shape (size,).

    The outermost elements lie on −1 and 1 with ``align_corners``, else their outer edges do. A single element with
    ``align_corners`` lies at 0, as in torch's ``affine_grid``.
    """
    if align_corners:
        return np.linspace(-1, 1, size, dtype=dtype) if size != 1 else np.zeros(1, dtype)
    return ((2 * np.arange(size, dtype=dtype) + 1) / size - 1).astype(dtype)


def affine_coordinates(theta: Floats, height: int, width: int, *, align_corners: bool = True) -> tuple[Floats, Floats]:
    """The (x, y) in −1..1 at which the outputs of a spatial transformer look.

    Args:
        theta: rows (t0 t1 t2 t3 t4 t5), shape (N, 6): x = t0·u + t1·v + t2 and y = t3·u + t4·v + t5 for the
            output element (u, v), formula 1 of Jaderberg et al.
        height: output height.
        width: output width.
        align_corners: see :func:`base_axis`.

    Returns:
        x and y, each (N, height, width), of theta's type.
    """
    dtype = theta.dtype.type
    u = base_axis(width, align_corners=align_corners, dtype=dtype)
    v = base_axis(height, align_corners=align_corners, dtype=dtype)[:, None]
    t = theta.reshape(-1, 6, 1, 1)
    x = t[:, 0] * u + (t[:, 1] * v + t[:, 2])
    y = t[:, 3] * u + (t[:, 4] * v + t[:, 5])
    return x, y


def to_pixels(normalized: Floats, size: int, *, align_corners: bool) -> Floats:
    """Coordinates of −1..1 as positions in elements 0..size − 1 (the inverse of :func:`base_axis`)."""
    if align_corners:
        return (normalized + 1) * (0.5 * (size - 1))
    return ((normalized + 1) * size - 1) * 0.5


def reflect(pixels: Floats, size: int, *, align_corners: bool) -> Floats:
    """Positions outside a picture mirrored at its border as often as needed (ONNX GridSample, ``reflection``)."""
    low, high = (0.0, size - 1.0) if align_corners else (-0.5, size - 0.5)
    span = high - low
    if span <= 0:
        return np.zeros_like(pixels)
    with np.errstate(invalid="ignore"):
        folded = np.mod(pixels - low, 2 * span)
    mirrored: Floats = np.minimum(folded, 2 * span - folded) + low
    return mirrored
