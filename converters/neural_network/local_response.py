"""Local response normalisation across channels.

Source: NeuralNetwork.proto, message LRNLayerParams: x / (k + α / localSize · Σ x²)^β, the sum over
``localSize`` neighbouring channels. Of an even number one more lies before the channel than behind it, as in
MPSCNNCrossChannelNormalization: from c − ⌊N / 2⌋ to c + ⌊(N − 1) / 2⌋.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.neural_network.activation import affine
from mltoolkit.converters.neural_network.context import CHANNEL, LayerContext
from mltoolkit.converters.neural_network.leading import on_nchw
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.errors import InvalidModelError


@converts("lrn")
def local_response_normalization(context: LayerContext, layer: Any) -> None:
    """LRN or an average of squares; (..., C, H, W) stays."""
    params = layer.lrn
    if params.localSize < 1:
        raise InvalidModelError("localSize is 0", where=context.where)
    if params.k < 0:
        raise InvalidModelError(f"k is {params.k:g}; it must be positive", where=context.where)
    value = context.input()
    # A window that reaches all channels from each of them need not be larger.
    size = min(int(params.localSize), 2 * context.size(value, CHANNEL) + 1)
    alpha = float(np.float32(params.alpha * size / int(params.localSize)))
    # onnxruntime's LRN takes odd sizes and positive α and β only.
    normalize = _as_lrn if size % 2 and alpha > 0 and params.beta > 0 else _as_average
    context.output(on_nchw(context, value, lambda image: normalize(context, image, size, alpha), least_rank=3))


def _as_lrn(context: LayerContext, image: ir.Value, size: int, alpha: float) -> ir.Value:
    params = context.params
    attributes = {"size": size, "alpha": alpha, "beta": float(params.beta), "bias": float(params.k) or 1.0}
    return context.builder.op("LRN", image, attributes=attributes)


def _as_average(context: LayerContext, image: ir.Value, size: int, alpha: float) -> ir.Value:
    # An average along channels, [N, C, H, W] being seen as [N, 1, C, H · W].
    builder = context.builder
    planes = builder.op("Unsqueeze", builder.op("Mul", image, image), builder.constant([1]))
    planes = builder.op("Reshape", planes, builder.constant([0, 0, 0, -1]))
    before, behind = size // 2, (size - 1) // 2
    padded = builder.op("Pad", planes, builder.constant([0, 0, before, 0, 0, 0, behind, 0]))
    mean = builder.op("AveragePool", padded, attributes={"kernel_shape": [size, 1], "strides": [1, 1]})
    mean = builder.op("Reshape", mean, builder.constant(list(context.static_shape(image))))
    base = affine(context, mean, alpha, float(context.params.k) or 1.0)
    power = builder.op("Pow", base, builder.constant(float(context.params.beta)))
    return builder.op("Div", image, power)
