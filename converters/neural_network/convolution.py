"""Convolution; hands deconvolution on to ``deconvolution.py``.

Source: NeuralNetwork.proto, message ConvolutionLayerParams.
"""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from mltoolkit.converters.neural_network.borders import Borders, read_borders
from mltoolkit.converters.neural_network.context import HEIGHT, WIDTH, LayerContext
from mltoolkit.converters.neural_network.deconvolution import deconvolution
from mltoolkit.converters.neural_network.leading import on_nchw
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.converters.neural_network.windows import (
    Window,
    check_fit,
    onnx_pads,
    read_sizes,
    same_amounts,
)
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
    attributes = {
        "kernel_shape": list(window.kernel),
        "strides": list(window.stride),
        "dilations": list(window.dilation),
        "group": groups,
        "pads": onnx_pads(_padding(context, params, value, window)),
    }
    context.output(
        on_nchw(
            context,
            value,
            lambda image: context.builder.op("Conv", image, weights, bias, attributes=attributes),
        )
    )


def _weights(context: LayerContext, params: Any, window: Window) -> tuple[ir.Value, ir.Value | None]:
    shape = (int(params.outputChannels), int(params.kernelChannels), *window.kernel)
    if len(context.layer.input) > 1:
        return _weights_from_input(context, shape), None
    weights = context.stored_constant("weights", shape)
    if not params.hasBias:
        return weights, None
    return weights, context.stored_constant("bias", shape[:1])


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


def _padding(context: LayerContext, params: Any, value: ir.Value, window: Window) -> Borders:
    sizes = (context.size(value, HEIGHT), context.size(value, WIDTH))
    kind = params.WhichOneof("ConvolutionPaddingType")
    if kind is None:
        raise InvalidModelError("the padding type is not set", where=context.where)
    if kind == "same":
        return same_amounts(sizes, window, params.same.asymmetryMode)
    amounts = read_borders(context, "paddingAmounts", params.valid.paddingAmounts)
    check_fit(context, sizes, window, amounts)
    return amounts
