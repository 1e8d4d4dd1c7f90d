"""Reorganize-data layer: blocks of pixels to channels and back.

Source: NeuralNetwork.proto, message ReorganizeDataLayerParams. The order of the channels, which the format
does not state, is that of the frameworks Apple's own tests compare with: tf.nn.space_to_depth and
depth_to_space, torch.pixel_shuffle.
"""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from mltoolkit.converters.neural_network.context import CHANNEL, HEIGHT, WIDTH, LayerContext
from mltoolkit.converters.neural_network.leading import on_nchw
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.converters.neural_network.sizes import stated_size
from mltoolkit.errors import InvalidModelError

# ReorganizeDataLayerParams.ReorganizationType
_SPACE_TO_DEPTH, _DEPTH_TO_SPACE, _PIXEL_SHUFFLE = 0, 1, 2


@converts("reorganizeData")
def convert_reorganize_data(context: LayerContext, layer: Any) -> None:
    """SPACE_TO_DEPTH: (C, H, W) → (C · b², H / b, W / b); the others: (C, H, W) → (C / b², H · b, W · b)."""
    mode = layer.reorganizeData.mode
    block = stated_size(context, "blockSize", layer.reorganizeData.blockSize, minimum=2)
    value = context.input()
    if mode == _SPACE_TO_DEPTH:
        for axis, name in ((HEIGHT, "height"), (WIDTH, "width")):
            _check_divides(context, value, axis, name, block)
        operator = "SpaceToDepth"
        attributes: dict[str, Any] = {"blocksize": block}
    elif mode in (_DEPTH_TO_SPACE, _PIXEL_SHUFFLE):
        _check_divides(context, value, CHANNEL, "number of channels", block * block)
        order = "DCR" if mode == _DEPTH_TO_SPACE else "CRD"
        operator, attributes = "DepthToSpace", {"blocksize": block, "mode": order}
    else:
        raise InvalidModelError(f"the mode {mode} is unknown", where=context.where)

    def reorganize(image: ir.Value) -> ir.Value:
        return context.builder.op(operator, image, attributes=attributes)

    context.output(on_nchw(context, value, reorganize, least_rank=3))


def _check_divides(context: LayerContext, value: ir.Value, axis: int, name: str, divisor: int) -> None:
    size = context.shape(value)[context.axis(value, axis)]
    if isinstance(size, int) and size % divisor:
        raise InvalidModelError(f"the {name}, {size}, is not a multiple of {divisor}", where=context.where)
