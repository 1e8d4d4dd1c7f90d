"""Convolution, deconvolution and pooling of volumes by the book, in float64: loops over taps and windows."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Borders = Sequence[tuple[int, int]]


def same_borders(sizes: Sequence[int], extent: Sequence[int], stride: Sequence[int]) -> Borders:
    """ceil(n / stride) windows; the odd element at the back, bottom or right."""
    borders = []
    for n, k, s in zip(sizes, extent, stride, strict=True):
        total = max(0, (-(-n // s) - 1) * s + k - n)
        borders.append((total // 2, total - total // 2))
    return borders


def convolve(
    x: Array, w: Array, stride: Sequence[int], dilation: Sequence[int], borders: Borders, groups: int
) -> Array:
    """x (N, C, D, H, W), w (C_out, C / groups, kd, kh, kw) → (N, C_out, D_out, H_out, W_out)."""
    x = np.pad(x.astype(np.float64), ((0, 0), (0, 0), *borders))
    kernel = w.shape[2:]
    out = [(n - (k - 1) * d - 1) // s + 1 for n, k, s, d in zip(x.shape[2:], kernel, stride, dilation, strict=True)]
    result = np.zeros((x.shape[0], w.shape[0], *out))
    for channel, per_group in itertools.product(range(w.shape[0]), range(w.shape[1])):
        source = channel // (w.shape[0] // groups) * w.shape[1] + per_group
        for tap in np.ndindex(*kernel):
            window = tuple(
                slice(t * d, t * d + (o - 1) * s + 1, s) for t, d, o, s in zip(tap, dilation, out, stride, strict=True)
            )
            result[:, channel] += x[(slice(None), source, *window)] * w[(channel, per_group, *tap)]
    return result


def deconvolve(
    x: Array, w: Array, stride: Sequence[int], dilation: Sequence[int], borders: Borders, groups: int
) -> Array:
    """x (N, C, D, H, W), w (C, C_out / groups, kd, kh, kw): every element stamps its kernel on the output.

    ``borders`` are cut off; a negative one at the end appends zeros.
    """
    batch, channels = x.shape[:2]
    per_group, kernel = w.shape[1], w.shape[2:]
    full = [(n - 1) * s + (k - 1) * d + 1 for n, s, k, d in zip(x.shape[2:], stride, kernel, dilation, strict=True)]
    longer = [size + max(0, -end) for size, (_, end) in zip(full, borders, strict=True)]
    result = np.zeros((batch, per_group * groups, *longer))
    for channel, output in itertools.product(range(channels), range(per_group)):
        target = channel // (channels // groups) * per_group + output
        for tap in np.ndindex(*kernel):
            places = tuple(
                slice(t * d, t * d + (n - 1) * s + 1, s)
                for t, d, n, s in zip(tap, dilation, x.shape[2:], stride, strict=True)
            )
            result[(slice(None), target, *places)] += x[:, channel] * w[(channel, output, *tap)]
    cut = tuple(slice(start, size - max(0, end)) for size, (start, end) in zip(longer, borders, strict=True))
    return result[(slice(None), slice(None), *cut)]


def pool(
    x: Array,
    kernel: Sequence[int],
    stride: Sequence[int],
    borders: Borders,
    function: Callable[[Array], Array],
) -> Array:
    """``function`` of (N, C, elements) for each window, whose padded elements are NaN."""
    x = np.pad(x.astype(np.float64), ((0, 0), (0, 0), *borders), constant_values=np.nan)
    out = [(n - k) // s + 1 for n, k, s in zip(x.shape[2:], kernel, stride, strict=True)]
    result = np.zeros((*x.shape[:2], *out))
    for place in np.ndindex(*out):
        window = tuple(slice(p * s, p * s + k) for p, s, k in zip(place, stride, kernel, strict=True))
        elements = x[(slice(None), slice(None), *window)]
        result[(slice(None), slice(None), *place)] = function(elements.reshape(*x.shape[:2], -1))
    return result
