"""A blob repeated to a larger shape, as NumPy's broadcast_to does it.

Source: NeuralNetwork.proto, messages BroadcastToLikeLayerParams, BroadcastToStaticLayerParams and
BroadcastToDynamicLayerParams.
"""

from __future__ import annotations

from typing import Any

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.converters.neural_network.wanted_shape import wanted_shape
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import shape_of


@converts("broadcastToLike", "broadcastToStatic", "broadcastToDynamic")
def broadcast_to(context: LayerContext, layer: Any) -> None:
    """Expand."""
    shape = wanted_shape(context, "targetShape", before=1)
    value = context.input()
    if shape.const_value is not None:
        target = shape.const_value.numpy().tolist()
        given = shape_of(value)
        # ONNX would let a 1 in the target shape pass.
        pairs = zip(reversed(given), reversed(target), strict=False)
        if len(given) > len(target) or any(isinstance(size, int) and size not in (1, wanted) for size, wanted in pairs):
            raise InvalidModelError(
                f"a blob of shape {given} cannot be broadcast to {tuple(target)}", where=context.where
            )
    context.output(context.builder.op("Expand", value, shape))
