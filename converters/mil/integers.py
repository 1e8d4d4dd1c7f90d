"""Integers as ONNX has them: results of narrow types wrap, quotients are cut towards zero."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir

if TYPE_CHECKING:
    from mltoolkit.converters.mil.context import NodeContext

# Bits of the types that are narrower than MIL's int32.
_NARROW = {
    ir.DataType.INT8: (8, True),
    ir.DataType.UINT8: (8, False),
    ir.DataType.INT16: (16, True),
    ir.DataType.UINT16: (16, False),
}
_UNSIGNED = (ir.DataType.UINT8, ir.DataType.UINT16, ir.DataType.UINT32, ir.DataType.UINT64)


def is_integer(dtype: ir.DataType) -> bool:
    """Whether a type of the hub is one of whole numbers."""
    return dtype.name.startswith(("INT", "UINT"))


def is_unsigned(dtype: ir.DataType) -> bool:
    """Whether a type of the hub has no negative numbers."""
    return dtype in _UNSIGNED


def wrapped(node: NodeContext, x: Any, dtype: ir.DataType) -> Any:
    """An int32 value reduced to what a narrower type keeps of it (its lowest bits)."""
    if dtype not in _NARROW:
        return x
    bits, signed = _NARROW[dtype]
    mb, span, offset = node.mb, np.int32(1 << bits), np.int32(1 << (bits - 1))
    if not signed:
        return mb.mod(x=x, y=span)
    return mb.sub(x=mb.mod(x=mb.add(x=x, y=offset), y=span), y=offset)


def quotient(node: NodeContext, x: Any, y: Any, dtype: ir.DataType) -> Any:
    """x / y cut towards zero, as onnxruntime divides whole numbers."""
    mb = node.mb
    if is_unsigned(dtype):
        return mb.floor_div(x=x, y=y)
    size = mb.floor_div(x=mb.abs(x=x), y=mb.abs(x=y))
    opposite = mb.logical_xor(x=mb.less(x=x, y=np.int32(0)), y=mb.less(x=y, y=np.int32(0)))
    sign = mb.sub(x=np.int32(1), y=mb.mul(x=mb.cast(x=opposite, dtype="int32"), y=np.int32(2)))
    return mb.mul(x=size, y=sign)
