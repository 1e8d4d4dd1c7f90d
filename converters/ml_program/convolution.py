"""Convolution over one, two or three spatial axes."""

from __future__ import annotations

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.converters.ml_program.windows import (
    attributes,
    padding_amounts,
    read_pad_type,
    read_window,
    spatial_sizes,
)
from mltoolkit.errors import InvalidModelError


@converts("conv")
def convert_conv(context: MilContext) -> None:
    """Conv, (N, C_in, *D) → (N, C_out, *D_out); the weight is (C_out, C_in / groups, *K)."""
    x, weight = context.value("x"), context.value("weight")
    groups = int(context.const("groups", 1))
    taps = context.static_shape(weight)
    channels = context.shape(x)[1]
    if len(taps) != context.rank(x) or groups < 1 or taps[0] % groups:
        raise InvalidModelError(
            f"a weight of shape {taps} in {groups} groups does not fit an input of rank {context.rank(x)}",
            where=context.where,
        )
    if isinstance(channels, int) and channels != taps[1] * groups:
        raise InvalidModelError(
            f"the operation expects {taps[1] * groups} input channels but gets {channels}",
            where=context.where,
        )
    window = read_window(context, taps[2:])
    pad_type = read_pad_type(context)
    # Only "same" depends on the sizes.
    sizes = spatial_sizes(context) if pad_type.startswith("same") else taps[2:]
    amounts = padding_amounts(context, pad_type, sizes, window)
    context.output(
        context.op("Conv", x, weight, context.optional("bias"), group=groups, **attributes(window, amounts))
    )
