"""Transposed convolutions: Conv1DTranspose, Conv2DTranspose, Conv3DTranspose.

Sizes, for an input of n, stride s, dilated kernel k and given output padding p (``keras.src.backend.common
.backend_utils``; the same in all backends):

    valid  (n − 1) · s + k + p,  p = max(s − k, 0) unless given
    same   n · s,                or (n − 1) · s + k mod 2 + p where p is given

The full result has (n − 1) · s + k elements. What is cut off at its beginning is k − 1 − left, where JAX's left pad is
min(⌈total / 2⌉, k − 1) of a total of s + k − 2 (k + k mod 2 − 2 + p where p is given); the rest comes off the end.
"""

from __future__ import annotations

import numpy as np

from mltoolkit.converters.keras.activations import activated
from mltoolkit.converters.keras.context import LayerContext
from mltoolkit.converters.keras.padding import extent
from mltoolkit.converters.keras.registry import converts
from mltoolkit.converters.keras.tensors import Tensor


@converts("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
def convert_convolution_transpose(context: LayerContext) -> Tensor:
    """Kernel (*window, filters, channels); cut at both ends by ``pads``, lengthened by ``output_padding``."""
    layer = context.source
    kernel = np.moveaxis(context.needed_weight("kernel"), (-1, -2), (0, 1))
    window = kernel.shape[2:]
    output_padding = layer.output_padding
    given = [None] * len(window) if output_padding is None else list(output_padding)
    begins, ends = zip(
        *(
            _cuts(size, stride, dilation, layer.padding, extra)
            for size, stride, dilation, extra in zip(window, layer.strides, layer.dilation_rate, given, strict=True)
        ),
        strict=True,
    )
    weights = [context.constant(kernel)]
    bias = context.weight("bias")
    if bias is not None:
        weights.append(context.constant(bias))
    value = context.builder.op(
        "ConvTranspose",
        context.feature_map(),
        *weights,
        attributes={
            "kernel_shape": list(window),
            "strides": [int(stride) for stride in layer.strides],
            "dilations": [int(dilation) for dilation in layer.dilation_rate],
            "pads": [max(begin, 0) for begin in begins] + [max(end, 0) for end in ends],
            "output_padding": [max(-end, 0) for end in ends],
        },
    )
    return activated(context, context.feature_result(value))


def _cuts(kernel: int, stride: int, dilation: int, padding: str, output_padding: int | None) -> tuple[int, int]:
    """What comes off the full result of an axis at its beginning and its end; less than 0 is added."""
    span = extent(kernel, dilation)
    if padding == "valid":
        return 0, -(max(span, stride) - span if output_padding is None else output_padding)
    total = stride + span - 2 if output_padding is None else span + span % 2 - 2 + output_padding
    left = min(total // 2 + total % 2, span - 1)
    return span - 1 - left, span - 1 - (total - left)
