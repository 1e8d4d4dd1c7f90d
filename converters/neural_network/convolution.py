"""Convolution; hands deconvolution on to ``deconvolution.py``.

Source: NeuralNetwork.proto, message ConvolutionLayerParams.
"""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from mltoolkit.converters.neural_network.borders import read_borders
from mltoolkit.converters.neural_network.context import HEIGHT, WIDTH, LayerContext
from mltoolkit.converters.neural_network.deconvolution import deconvolution
from mltoolkit.converters.neural_network.leading import on_nchw
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.converters.neural_network.windows import (
    TOP_LEFT_HEAVY,
    Window,
    check_fit,
    onnx_pads,
    read_sizes,
    same_amounts,
)
from mltoolkit.converters.neural_network.zero_padding import pad_same
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import shape_of


@converts("convolution")
def convolution(context: LayerContext, layer: Any) -> None:
    """Conv or ConvTranspose, (..., C, H, W) → (..., outputChannels, H_out, W_out)."""
    params = layer.convolution
    for field in ("outputChannels", "kernelChannels"):
        if getattr(params, field) < 1:
            raise InvalidModelError(f"{field} is 0", where=context.where)
    groups = int(params.nGroups) or 1
    if params.outputChannels % groups:
        raise InvalidModelError(
            f"the {groups} groups do not divide the {params.outputChannels} output channels",
            where=context.where,
        )
    if params.isDeconvolution:
        deconvolution(context, params, groups)
        return
    window = Window(
        kernel=read_sizes(context, "kernelSize", (3, 3)),
        stride=read_sizes(context, "stride", (1, 1)),
        dilation=read_sizes(context, "dilationFactor", (1, 1)),
    )
    value = context.input()
    context.check_channels(value, int(params.kernelChannels) * groups)
    weights, bias = _weights(context, params, window)
    pad_attributes, pad_first = _padding(context, params, value, window)
    attributes = {
        "kernel_shape": list(window.kernel),
        "strides": list(window.stride),
        "dilations": list(window.dilation),
        "group": groups,
        **pad_attributes,
    }

    def convolve(image: ir.Value) -> ir.Value:
        if pad_first:
            image = pad_same(context, image, window, params.same.asymmetryMode)
        return context.builder.op("Conv", image, weights, bias, attributes=attributes)

    context.output(on_nchw(context, value, convolve))


def _weights(context: LayerContext, params: Any, window: Window) -> tuple[ir.Value, ir.Value | None]:
    shape = (int(params.outputChannels), int(params.kernelChannels), *window.kernel)
    if len(context.layer.input) > 1:
        return _weights_from_input(context, shape), None
    weights = context.weight_constant(context.weight("weights", shape), "weights")
    if not params.hasBias:
        return weights, None
    return weights, context.weight_constant(context.weight("bias", shape[:1]), "bias")


def _weights_from_input(context: LayerContext, shape: tuple[int, ...]) -> ir.Value:
    # From specification 4 on, the second input may hold the weights; the validator then allows no bias.
    weights = context.input(1)
    given = shape_of(weights)
    if len(given) != 4 or any(
        isinstance(size, int) and size != needed for size, needed in zip(given, shape, strict=True)
    ):
        raise InvalidModelError(
            f"the weights {context.layer.input[1]!r} have shape {given} where the layer needs {shape}",
            where=context.where,
        )
    return weights


def _padding(
    context: LayerContext, params: Any, value: ir.Value, window: Window
) -> tuple[dict[str, Any], bool]:
    """Attributes of Conv for the padding, and whether the input has to be padded by nodes of their own."""
    shape = shape_of(value)
    sizes = (shape[context.axis(value, HEIGHT)], shape[context.axis(value, WIDTH)])
    kind = params.WhichOneof("ConvolutionPaddingType")
    if kind is None:
        raise InvalidModelError("the padding type is not set", where=context.where)
    if kind == "valid":
        amounts = read_borders(context, "paddingAmounts", params.valid.paddingAmounts)
        check_fit(context, sizes, window, amounts)
        return {"pads": onnx_pads(amounts)}, False
    mode = params.same.asymmetryMode
    same = same_amounts(sizes, window, mode)
    if same is not None:
        return {"pads": onnx_pads(same)}, False
    if window.dilation != (1, 1):
        # onnxruntime: "Dilation not supported for AutoPadType::SAME_UPPER or AutoPadType::SAME_LOWER"
        return {}, True
    return {"auto_pad": "SAME_LOWER" if mode == TOP_LEFT_HEAVY else "SAME_UPPER"}, False
