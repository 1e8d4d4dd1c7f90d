"""Deconvolution (transposed convolution).

Source: NeuralNetwork.proto, messages ConvolutionLayerParams, ValidPadding and SamePadding. Without padding the output
of an axis has (n − 1) · stride + extent elements; padding crops it. Dilation counts: the format says that it is
ignored, but Apple's own tests of transposed convolution in neural networks expect it (coremltools,
converters/mil/mil/ops/tests/iOS14/test_conv.py).

How much is cropped on which side when ``outputShape`` is set is not written down. Here, in this order:
``same`` padding splits as its asymmetry mode says (Keras' deconvolutions come so); ``valid`` amounts are
taken where they lead to just that shape (coremltools writes both); else the difference is split evenly, the
odd element at the end. A shape beyond the full output has rows at the end that no input reaches (PyTorch's
``output_padding``).
"""

from __future__ import annotations

from typing import Any

from mltoolkit.converters.neural_network.borders import AXES, Borders, read_borders
from mltoolkit.converters.neural_network.context import HEIGHT, WIDTH, LayerContext
from mltoolkit.converters.neural_network.leading import on_nchw
from mltoolkit.converters.neural_network.windows import (
    NO_PADDING,
    TOP_LEFT_HEAVY,
    Window,
    onnx_pads,
    read_sizes,
    split_amount,
)
from mltoolkit.errors import InvalidModelError


def deconvolution(context: LayerContext, params: Any, groups: int) -> None:
    """ConvTranspose, (..., C, H, W) → (..., outputChannels, H_out, W_out)."""
    window = Window(
        kernel=read_sizes(context, "kernelSize", (3, 3)),
        stride=read_sizes(context, "stride", (1, 1)),
        dilation=read_sizes(context, "dilationFactor", (1, 1)),
    )
    channels = int(params.kernelChannels)
    if channels % groups:
        raise InvalidModelError(f"the {groups} groups do not divide the {channels} input channels", where=context.where)
    value = context.input()
    context.check_channels(value, channels)
    outputs = int(params.outputChannels)
    # The format's layout, [C_in, C_out / groups, H, W], is ONNX's; per-channel scales lie along axis 1.
    shape = (channels, outputs // groups, *window.kernel)
    weights = context.stored_constant("weights", shape, channel_axis=1)
    bias = context.stored_constant("bias", (outputs,)) if params.hasBias else None
    if len(params.outputShape):
        crops, extensions = _to_output_shape(context, params, window)
    else:
        crops, extensions = _to_padding(context, params, window)
    attributes = {
        "kernel_shape": list(window.kernel),
        "strides": list(window.stride),
        "dilations": list(window.dilation),
        "pads": onnx_pads(crops),
        "output_padding": list(extensions),
        "group": groups,
    }
    builder = context.builder
    context.output(
        on_nchw(
            context,
            value,
            lambda image: builder.op("ConvTranspose", image, weights, bias, attributes=attributes),
        )
    )


def _to_padding(context: LayerContext, params: Any, window: Window) -> tuple[Borders, tuple[int, int]]:
    kind = params.WhichOneof("ConvolutionPaddingType")
    if kind is None:
        raise InvalidModelError("the padding type is not set", where=context.where)
    if kind == "same":
        # The output has n · stride elements, whatever n is: extent − stride are too many.
        return _crop(
            (window.extent[0] - window.stride[0], window.extent[1] - window.stride[1]),
            params.same.asymmetryMode == TOP_LEFT_HEAVY,
        )
    crops = read_borders(context, "paddingAmounts", params.valid.paddingAmounts)
    full = _full_sizes(context, window)
    for axis, size, (start, end) in zip(AXES, full, crops, strict=True):
        if size <= start + end:
            raise InvalidModelError(
                f"the padding of {start + end} along the {axis} leaves nothing of the {size} elements",
                where=context.where,
            )
    return crops, (0, 0)


def _full_sizes(context: LayerContext, window: Window) -> tuple[int, int]:
    """Height and width of the output without padding."""
    value = context.input()
    height, width = (
        (context.size(value, axis) - 1) * stride + extent
        for axis, stride, extent in zip((HEIGHT, WIDTH), window.stride, window.extent, strict=True)
    )
    return height, width


def _to_output_shape(context: LayerContext, params: Any, window: Window) -> tuple[Borders, tuple[int, int]]:
    wanted = read_sizes(context, "outputShape", (1, 1))
    full = _full_sizes(context, window)
    for axis, most, stride, size in zip(AXES, full, window.stride, wanted, strict=True):
        if size >= most + stride:
            raise InvalidModelError(
                f"the outputShape's {axis} is {size} where a deconvolution of this input can reach at most "
                f"{most + stride - 1}",
                where=context.where,
            )
    too_many = (full[0] - wanted[0], full[1] - wanted[1])
    if params.WhichOneof("ConvolutionPaddingType") == "same":
        return _crop(too_many, params.same.asymmetryMode == TOP_LEFT_HEAVY)
    stated = read_borders(context, "paddingAmounts", params.valid.paddingAmounts)
    if stated != NO_PADDING and all(start + end == total for (start, end), total in zip(stated, too_many, strict=True)):
        return stated, (0, 0)
    return _crop(too_many, top_left_heavy=False)


def _crop(too_many: tuple[int, int], top_left_heavy: bool) -> tuple[Borders, tuple[int, int]]:
    """What to crop at (start, end) of each axis, and the rows and columns missing at the end."""
    height, width = (split_amount(max(0, total), top_left_heavy) for total in too_many)
    return (height, width), (max(0, -too_many[0]), max(0, -too_many[1]))
