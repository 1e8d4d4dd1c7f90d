"""Keras' padding of convolutions and pooling, as ONNX's ``pads``.

"same" follows TensorFlow: ⌈size / stride⌉ results, the odd element of padding at the end. For a size n, stride s and
dilated kernel k: max((⌈n / s⌉ − 1) · s + k − n, 0) in all; with stride 1 that is k − 1 whatever the size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mltoolkit.graph.builder import Dimension


def extent(kernel: int, dilation: int) -> int:
    """How many elements a dilated kernel spans."""
    return (kernel - 1) * dilation + 1


def same_pads(size: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """Padding of an axis at both ends."""
    span = extent(kernel, dilation)
    total = max((-(-size // stride) - 1) * stride + span - size, 0)
    return total // 2, total - total // 2


def padding_attributes(
    padding: str,
    sizes: Sequence[Dimension],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> dict[str, Any]:
    """ONNX's attributes for "valid", "same" and "causal"; ``sizes`` are the spatial ones."""
    if padding == "valid":
        return {}
    begins, ends = [], []
    for size, window, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
        if padding == "causal":
            begin, end = extent(window, dilation) - 1, 0
        elif isinstance(size, int):
            begin, end = same_pads(size, window, stride, dilation)
        elif stride == 1:
            begin, end = same_pads(1, window, 1, dilation)
        else:
            return {"auto_pad": "SAME_UPPER"}
        begins.append(begin)
        ends.append(end)
    return {"pads": begins + ends} if any(begins + ends) else {}
