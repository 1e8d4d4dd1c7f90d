"""Transposed convolution over one, two or three spatial axes.

Without padding an axis of n elements becomes (n − 1) · stride + extent; padding crops that. ``same`` crops
to n · stride. ``output_shape`` crops to the size it says: evenly with ``same``, else at the end, behind
what ``pad`` crops.
"""

from __future__ import annotations

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.converters.ml_program.windows import (
    Window,
    attributes,
    custom_amounts,
    read_pad_type,
    read_window,
    spatial_sizes,
    split_total,
)
from mltoolkit.errors import InvalidModelError


@converts("conv_transpose")
def convert_conv_transpose(context: MilContext) -> None:
    """ConvTranspose, (N, C_in, *D) → (N, C_out, *D_out); the weight is (C_in, C_out / groups, *K)."""
    x, weight = context.value("x"), context.value("weight")
    groups = int(context.const("groups", 1))
    taps = context.static_shape(weight)
    channels = context.shape(x)[1]
    if len(taps) != context.rank(x) or groups < 1 or taps[0] % groups or channels not in (None, taps[0]):
        raise InvalidModelError(
            f"a weight of shape {taps} in {groups} groups does not fit an input of shape {context.shape(x)}",
            where=context.where,
        )
    window = read_window(context, taps[2:])
    crops, extensions = _crops(context, window)
    context.output(
        context.op(
            "ConvTranspose",
            x,
            weight,
            context.optional("bias"),
            group=groups,
            output_padding=extensions,
            **attributes(window, crops),
        )
    )


def _crops(context: MilContext, window: Window) -> tuple[list[tuple[int, int]], list[int]]:
    """What is cut off (before, after) on each axis, and what is added at its end instead."""
    pad_type = read_pad_type(context)
    axes = len(window.kernel)
    stated = custom_amounts(context, axes) if pad_type == "custom" else [(0, 0)] * axes
    evenly = pad_type.startswith("same")
    if not context.has("output_shape") and not evenly:
        return stated, [0] * axes
    sizes = spatial_sizes(context)
    wanted = (
        context.ints("output_shape")[-axes:]
        if context.has("output_shape")
        else [size * stride for size, stride in zip(sizes, window.strides, strict=True)]
    )
    crops, extensions = [], []
    for size, stride, extent, target, (before, _) in zip(
        sizes, window.strides, window.extents, wanted, stated, strict=True
    ):
        total = (size - 1) * stride + extent - target
        if evenly:
            before, after = split_total(max(0, total), more_before=pad_type == "same_lower")
            missing = max(0, -total)
        else:
            after, missing = max(0, total - before), max(0, before - total)
        crops.append((before, after))
        extensions.append(missing)
    return crops, extensions
