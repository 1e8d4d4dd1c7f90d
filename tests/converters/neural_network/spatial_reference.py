"""Convolution, deconvolution and pooling by the book: loops over output positions, in float64."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Pair = tuple[int, int]
Borders = tuple[Pair, Pair]
Array = NDArray[np.float64]


def same_borders(size: Sequence[int], kernel: Pair, stride: Pair, top_left_heavy: bool) -> Borders:
    """The format's text, transcribed."""
    borders = []
    for n, k, s in zip(size, kernel, stride, strict=True):
        out = int(np.ceil(n / s))
        total = max(0, (out - 1) * s + k - n)
        less = int(np.floor(total / 2))
        borders.append((total - less, less) if top_left_heavy else (less, total - less))
    return borders[0], borders[1]


def convolve(
    x: Array, w: Array, bias: Array | None, stride: Pair, dilation: Pair, borders: Borders, groups: int
) -> Array:
    """x (N, C, H, W), w (C_out, C / groups, kh, kw) → (N, C_out, H_out, W_out)."""
    x = np.pad(x.astype(np.float64), ((0, 0), (0, 0), *borders))
    kh, kw = w.shape[2:]
    out_h = (x.shape[2] - (kh - 1) * dilation[0] - 1) // stride[0] + 1
    out_w = (x.shape[3] - (kw - 1) * dilation[1] - 1) // stride[1] + 1
    outputs, per_group = w.shape[0], w.shape[1]
    result = np.zeros((x.shape[0], outputs, out_h, out_w))
    for channel in range(outputs):
        group = channel // (outputs // groups)
        source = x[:, group * per_group : (group + 1) * per_group]
        for i in range(out_h):
            for j in range(out_w):
                top, left = i * stride[0], j * stride[1]
                patch = source[
                    :,
                    :,
                    top : top + (kh - 1) * dilation[0] + 1 : dilation[0],
                    left : left + (kw - 1) * dilation[1] + 1 : dilation[1],
                ]
                result[:, channel, i, j] = (patch * w[channel]).sum(axis=(1, 2, 3))
    return result if bias is None else result + bias.reshape(1, -1, 1, 1)


def deconvolve(
    x: Array, w: Array, bias: Array | None, stride: Pair, crops: Borders, extensions: Pair, groups: int
) -> Array:
    """x (N, C, H, W), w (C, C_out / groups, kh, kw): every input element stamps its kernel on the output.

    ``extensions`` rows and columns are appended, then ``crops`` are cut off.
    """
    batch, channels, height, width = x.shape
    per_group, kh, kw = w.shape[1:]
    full = np.zeros(
        (
            batch,
            per_group * groups,
            (height - 1) * stride[0] + kh + extensions[0],
            (width - 1) * stride[1] + kw + extensions[1],
        )
    )
    for channel in range(channels):
        group = channel // (channels // groups)
        for i in range(height):
            for j in range(width):
                stamp = x[:, channel, i, j].reshape(-1, 1, 1, 1).astype(np.float64) * w[channel]
                top, left = i * stride[0], j * stride[1]
                full[:, group * per_group : (group + 1) * per_group, top : top + kh, left : left + kw] += stamp
    if bias is not None:
        full += bias.reshape(1, -1, 1, 1)
    (top, bottom), (left, right) = crops
    return full[:, :, top : full.shape[2] - bottom, left : full.shape[3] - right]


def pool(x: Array, kind: str, kernel: Pair, stride: Pair, borders: Borders, out: Pair, exclude: bool = False) -> Array:
    """Windows over x (N, C, H, W) between ``borders``; the last ones may overhang the padded input.

    A maximum sees real elements only; an average divides by the real elements, or by those and the padding,
    but never by the overhanging ones; "l2" is the root of the sum of squares.
    """
    (top, bottom), (left, right) = borders
    height, width = x.shape[2:]
    result = np.zeros((*x.shape[:2], *out))
    for i in range(out[0]):
        for j in range(out[1]):
            y, z = i * stride[0] - top, j * stride[1] - left
            real = x[
                :,
                :,
                max(0, y) : max(0, min(height, y + kernel[0])),
                max(0, z) : max(0, min(width, z + kernel[1])),
            ].astype(np.float64)
            if kind == "max":
                result[:, :, i, j] = real.max(axis=(2, 3))
            elif kind == "l2":
                result[:, :, i, j] = np.sqrt((real**2).sum(axis=(2, 3)))
            else:
                padded = (min(height + bottom, y + kernel[0]) - y) * (min(width + right, z + kernel[1]) - z)
                count = real.shape[2] * real.shape[3] if exclude else padded
                result[:, :, i, j] = real.sum(axis=(2, 3)) / count
    return result
