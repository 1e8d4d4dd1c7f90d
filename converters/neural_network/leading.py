"""Operations that ONNX defines on [N, C, H, W] only, on blobs of any rank.

NeuralNetwork.proto, of most spatial layers: "For ranks greater than 4, the leading dimensions, starting from
0 to -4 (inclusive), are all treated as batch."
"""

from __future__ import annotations

import math
from collections.abc import Callable

import onnx_ir as ir

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.shape_parts import Axes, reshaped
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import shape_of


def on_nchw(
    context: LayerContext, value: ir.Value, operation: Callable[[ir.Value], ir.Value], *, least_rank: int = 4
) -> ir.Value:
    """The result of ``operation`` on a blob whose leading dimensions are seen as one batch axis.

    Args:
        context: the layer's context.
        value: a blob of shape (..., C, H, W).
        operation: makes (N, C', H', W') of (N, C, H, W).
        least_rank: the smallest rank that the layer accepts, 3 or 4.

    Returns:
        A value of shape (..., C', H', W').

    Raises:
        InvalidModelError: the blob has a smaller rank.
    """
    rank = len(shape_of(value))
    if rank == 4:
        return operation(value)
    if rank < least_rank:
        raise InvalidModelError(
            f"the layer needs a blob of rank {least_rank} or more but gets rank {rank}", where=context.where
        )
    if rank == 3:
        batch = context.builder.constant([0])
        return context.builder.op("Squeeze", operation(context.builder.op("Unsqueeze", value, batch)), batch)
    leading = shape_of(value)[:-3]
    known = [size for size in leading if isinstance(size, int)]
    count = math.prod(known) if len(known) == len(leading) else -1
    result = operation(reshaped(context, value, [count], Axes(value, -3)))
    return reshaped(context, result, Axes(value, 0, -3), Axes(result, 1))
