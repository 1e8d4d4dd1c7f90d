"""Operations that ONNX defines on [N, C, H, W] only, on tensors of any rank from 2 on."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.sizes import reshaped, sizes_of
from mltoolkit.errors import InvalidModelError


def on_images(context: MilContext, x: ir.Value, operation: Callable[[ir.Value], ir.Value]) -> ir.Value:
    """The result of ``operation``, which changes the last two axes of [N, C, H, W], on (…, H, W).

    Raises:
        InvalidModelError: there are no two axes.
    """
    rank = context.rank(x)
    if rank < 2:
        raise InvalidModelError(f"a tensor of shape {context.shape(x)} has no height and width", where=context.where)
    if rank == 4:
        return operation(x)
    image = reshaped(context, x, [1, -1], sizes_of(context, x, rank - 2))
    result = operation(image)
    return reshaped(context, result, sizes_of(context, x, 0, rank - 2), sizes_of(context, result, 2))
