"""Convolution over one, two or three spatial axes."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.parameters import numbers
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.converters.ml_program.windows import (
    attributes,
    padding_amounts,
    read_pad_type,
    read_window,
    spatial_sizes,
)
from mltoolkit.errors import InvalidModelError, UnsupportedModelError


@converts("conv")
def convert_conv(context: MilContext) -> None:
    """Conv, (N, C_in, *D) → (N, C_out, *D_out); the weight is (C_out, C_in / groups, *K)."""
    _convolve(context, context.value("weight"), context.optional("bias"))


@converts("conv_quantized")
def convert_conv_quantized(context: MilContext) -> None:
    """Conv with the weight codes · scale + bias; scale and bias are one number or one for each of C_out."""
    if context.const("quantization_type") != "linear":
        raise UnsupportedModelError("a quantized convolution has no input for a lookup table", where=context.where)
    codes = numbers(context, "weight", "u")
    decoded = codes.astype(np.float32)
    for name, combine in (("quant_scale", np.multiply), ("quant_bias", np.add)):
        parameter = numbers(context, name).astype(np.float32).reshape(-1)
        if codes.ndim < 3 or parameter.size not in (1, codes.shape[0]):
            raise InvalidModelError(
                f"{parameter.size} numbers of {name} do not go with a weight of shape {codes.shape}",
                where=context.where,
            )
        combine(decoded, parameter.reshape(-1, *[1] * (codes.ndim - 1)), out=decoded)
    bias = context.optional("bias")
    _convolve(
        context,
        context.constant(decoded, "weight"),
        context.cast(bias, np.float32) if bias is not None else None,
    )


def _convolve(context: MilContext, weight: ir.Value, bias: ir.Value | None) -> None:
    x = context.value("x")
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
    context.output(context.op("Conv", x, weight, bias, group=groups, **attributes(window, amounts)))
