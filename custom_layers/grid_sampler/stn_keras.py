"""The sampling of early Keras spatial transformers (``convention="stn_keras"``).

Their code scales −1..1 by the width W where W − 1 would be right, truncates toward zero, and clips the corners but not
the position. So the identity does not give the picture back, and its last row and column are lost. It is reproduced
for networks that were trained with it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def sample_stn_keras(images: Floats, x: Floats, y: Floats) -> Floats:
    """Bilinear values as those layers compute them; NaN positions give 0.

    Args:
        images: (N, C, H, W).
        x: columns in −1..1, (N, h, w).
        y: rows, likewise.

    Returns:
        (N, C, h, w), of the images' type.
    """
    count, channels, height, width = images.shape
    dtype = images.dtype
    unknown = ~(np.isfinite(x) & np.isfinite(y))
    # int64 holds what is left of huge positions; the clipped corners are the same.
    columns = np.clip(np.where(unknown, 0, 0.5 * (x + 1) * width), -1e9, 1e9).astype(x.dtype)
    rows = np.clip(np.where(unknown, 0, 0.5 * (y + 1) * height), -1e9, 1e9).astype(y.dtype)
    left, right, left_share, right_share = _corners(columns, width)
    top, bottom, top_share, bottom_share = _corners(rows, height)
    elements = np.ascontiguousarray(images.transpose(0, 2, 3, 1)).reshape(-1, channels)
    first = (np.arange(count) * (height * width)).reshape(-1, 1, 1)
    result = np.zeros((*x.shape, channels), dtype)
    for row, row_share in ((top, top_share), (bottom, bottom_share)):
        for column, column_share in ((left, left_share), (right, right_share)):
            corner = elements.take(first + row * width + column, axis=0)
            result += corner * (row_share * column_share).astype(dtype)[..., None]
    result[unknown] = 0
    return np.ascontiguousarray(result.transpose(0, 3, 1, 2))


def _corners(position: Floats, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats, Floats]:
    """The two elements beside a position, clipped into the picture, and their shares (which may leave 0..1)."""
    low = position.astype(np.int64)
    high = low + 1
    low, high = np.clip(low, 0, size - 1), np.clip(high, 0, size - 1)
    return low, high, high - position, position - low
