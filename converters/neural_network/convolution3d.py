"""Convolution over depth, height and width; hands deconvolution on to ``deconvolution3d.py``.

Source: NeuralNetwork.proto, message Convolution3DLayerParams.
"""

from __future__ import annotations

from typing import Any

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.deconvolution3d import deconvolution3d
from mltoolkit.converters.neural_network.operands import exact_inputs
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.converters.neural_network.sizes import stated_size
from mltoolkit.converters.neural_network.windows3d import (
    Window3D,
    onnx_pads3d,
    read_padding3d,
    read_triple,
    volume_sizes,
)
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import shape_of


@converts("convolution3d")
def convolution3d(context: LayerContext, layer: Any) -> None:
    """Conv or ConvTranspose, (N, C, D, H, W) → (N, outputChannels, D_out, H_out, W_out)."""
    params = layer.convolution3d
    (value,) = exact_inputs(context, 1)
    inputs = stated_size(context, "inputChannels", params.inputChannels)
    outputs = stated_size(context, "outputChannels", params.outputChannels)
    groups = stated_size(context, "nGroups", params.nGroups)
    if inputs % groups or outputs % groups:
        raise InvalidModelError(
            f"the {groups} groups do not divide the {inputs} input and {outputs} output channels",
            where=context.where,
        )
    window = Window3D(read_triple(context, "kernel"), read_triple(context, "stride"), read_triple(context, "dilation"))
    sizes = volume_sizes(context, value)
    channels = shape_of(value)[1]
    if isinstance(channels, int) and channels != inputs:
        raise InvalidModelError(f"the layer expects {inputs} input channels but gets {channels}", where=context.where)
    bias = context.stored_constant("bias", (outputs,)) if params.hasBias else None
    if params.isDeconvolution:
        context.output(deconvolution3d(context, value, sizes, window, bias))
        return
    weights = context.weight("weights", (outputs, inputs // groups, *window.kernel))
    attributes = {
        "kernel_shape": list(window.kernel),
        "strides": list(window.stride),
        "dilations": list(window.dilation),
        "group": groups,
        "pads": onnx_pads3d(read_padding3d(context, sizes, window)),
    }
    constant = context.weight_constant(weights, "weights")
    context.output(context.builder.op("Conv", value, constant, bias, attributes=attributes))
