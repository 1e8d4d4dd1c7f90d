"""Transposed convolutions: Conv1DTranspose, Conv2DTranspose, Conv3DTranspose.

Sizes, for an input of n, stride s, dilated kernel k and given output padding p (``keras.src.backend.common
.backend_utils``; the same in all backends):

    valid  (n − 1) · s + k + p,  p = max(s − k, 0) unless given
    same   n · s,                or (n − 1) · s + k mod 2 + p where p is given

The full result has (n − 1) · s + k elements. What is cut off at its beginning is k − 1 − left, where JAX's left pad is
min(⌈total / 2⌉, k − 1) of a total of s + k − 2 (k + k mod 2 − 2 + p where p is given); the rest comes off the end.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.converters.keras.activations import activated
from mltoolkit.converters.keras.context import LayerContext
from mltoolkit.converters.keras.padding import extent
from mltoolkit.converters.keras.registry import converts
from mltoolkit.converters.keras.tensors import Tensor


@converts("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
def convert_convolution_transpose(context: LayerContext) -> Tensor:
    """Kernel (*window, filters, channels); cut at both ends by ``pads``, lengthened by ``output_padding``."""
    layer, value = context.source, context.feature_map()
    result = convolve_transposed(
        context,
        value,
        context.needed_weight("kernel"),
        context.weight("bias"),
        layer.strides,
        layer.dilation_rate,
        layer.padding,
        layer.output_padding,
    )
    return activated(context, context.feature_result(result))


def convolve_transposed(
    context: LayerContext,
    value: ir.Value,
    kernel: NDArray[np.float32],
    bias: NDArray[np.float32] | None,
    strides: Sequence[int],
    dilations: Sequence[int],
    padding: str,
    output_padding: Sequence[int] | None,
) -> ir.Value:
    """ONNX's ConvTranspose of a channels-first value; the kernel as Keras has it."""
    weights = [context.constant(np.moveaxis(kernel, (-1, -2), (0, 1)))]
    window = kernel.shape[:-2]
    given = [None] * len(window) if output_padding is None else list(output_padding)
    begins, ends = zip(
        *(
            _cuts(size, stride, dilation, padding, extra)
            for size, stride, dilation, extra in zip(window, strides, dilations, given, strict=True)
        ),
        strict=True,
    )
    if bias is not None:
        weights.append(context.constant(bias))
    return context.op(
        "ConvTranspose",
        value,
        *weights,
        kernel_shape=[int(size) for size in window],
        strides=[int(stride) for stride in strides],
        dilations=[int(dilation) for dilation in dilations],
        pads=[max(begin, 0) for begin in begins] + [max(end, 0) for end in ends],
        output_padding=[max(-end, 0) for end in ends],
    )


def _cuts(kernel: int, stride: int, dilation: int, padding: str, output_padding: int | None) -> tuple[int, int]:
    """What comes off the full result of an axis at its beginning and its end; less than 0 is added."""
    span = extent(kernel, dilation)
    if padding == "valid":
        return 0, -(max(span, stride) - span if output_padding is None else output_padding)
    total = stride + span - 2 if output_padding is None else span + span % 2 - 2 + output_padding
    left = min(total // 2 + total % 2, span - 1)
    return span - 1 - left, span - 1 - (total - left)
