"""Quantization while the model runs, and its reverse."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.parameters import numbers, optional_numbers, whole_number
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.converters.ml_program.storage import affine_record
from mltoolkit.errors import InvalidModelError
from mltoolkit.formats.compressed_weights import along_axis, shift_and_scale
from mltoolkit.formats.mil_types import TensorType
from mltoolkit.graph.builder import Dimension


def _parameters(context: MilContext, shape: tuple[Dimension, ...]) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Scale and zero point as float32."""
    scale, zero_point = numbers(context, "scale"), optional_numbers(context, "zero_point", "iu")
    axis = whole_number(context, "axis") if context.has("axis") else None
    scale, zero_point = along_axis(shape, axis, scale, zero_point, context.where)
    return scale.astype(np.float32), None if zero_point is None else zero_point.astype(np.float32)


@converts("quantize")
def convert_quantize(context: MilContext) -> None:
    """clip(round(x / scale) + zero point) into the range of the output's type; halves go to even numbers."""
    x = context.value("input")
    scale, zero_point = _parameters(context, context.shape(x))
    declared = context.declared()
    if not isinstance(declared, TensorType) or declared.element.kind != "int" or declared.element.bits > 32:
        raise InvalidModelError("the output's type is no integer of at most 32 bits", where=context.where)
    signed, bits = declared.element.signed, declared.element.bits
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    codes = context.op("Round", context.op("Div", x, context.constant(scale, "scale")))
    if zero_point is not None:
        codes = context.op("Add", codes, context.constant(zero_point, "zero_point"))
    clipped = context.op("Clip", codes, context.constant(float(low)), context.constant(float(high)))
    context.output(context.cast(clipped, np.int64))


@converts("dequantize")
def convert_dequantize(context: MilContext) -> None:
    """scale · (x − zero point); codes that are constant are decoded here."""
    stored = context.stored("input") if context.is_const("input") else None
    if isinstance(stored, np.ndarray) and stored.dtype.kind in "iu":
        scale, zero_point = _parameters(context, stored.shape)
        decoded = shift_and_scale(stored, scale, zero_point, context.where)
        context.output(decoded, record=affine_record(stored, scale, zero_point))
        return
    codes: ir.Value = context.value("input")
    scale, zero_point = _parameters(context, context.shape(codes))
    value = context.cast(codes, np.float32)
    if zero_point is not None:
        value = context.op("Sub", value, context.constant(zero_point, "zero_point"))
    context.output(context.op("Mul", value, context.constant(scale, "scale")))
