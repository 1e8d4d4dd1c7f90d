"""Operations that ONNX defines on [N, C, H, W] only, on blobs of any rank.

NeuralNetwork.proto, of most spatial layers: "For ranks greater than 4, the leading dimensions, starting from
0 to -4 (inclusive), are all treated as batch."
"""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from mltoolkit.converters.neural_network.context import LayerContext
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
    shape = shape_of(value)
    rank = len(shape)
    if rank == 4:
        return operation(value)
    if rank < least_rank:
        raise InvalidModelError(
            f"the layer needs a blob of rank {least_rank} or more but gets rank {rank}", where=context.where
        )
    builder = context.builder
    # onnxruntime folds these Shape nodes away where the sizes are known.
    image = builder.op("Shape", value, attributes={"start": rank - 3})
    collapsed = builder.op(
        "Reshape", value, builder.op("Concat", builder.constant([-1]), image, attributes={"axis": 0})
    )
    collapsed.shape = ir.Shape([None, *shape[-3:]])
    result = operation(collapsed)
    restored = builder.op(
        "Reshape",
        result,
        builder.op(
            "Concat",
            builder.op("Shape", value, attributes={"start": 0, "end": rank - 3}),
            builder.op("Shape", result, attributes={"start": 1}),
            attributes={"axis": 0},
        ),
    )
    restored.shape = ir.Shape([*shape[:-3], *shape_of(result)[1:]])
    return restored
