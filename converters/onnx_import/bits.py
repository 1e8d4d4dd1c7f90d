"""Shifts of signed numbers, which opset 28 brought; the hub shifts unsigned ones."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from mltoolkit.converters.onnx_import.node import SourceNode
from mltoolkit.converters.onnx_import.registry import adapts

# Signed type → the unsigned type in which it is shifted. onnxruntime shifts no uint16.
_UNSIGNED = {
    ir.DataType.INT8: ir.DataType.UINT8,
    ir.DataType.INT16: ir.DataType.UINT32,
    ir.DataType.INT32: ir.DataType.UINT32,
    ir.DataType.INT64: ir.DataType.UINT64,
}


@adapts("BitShift", since=28)
def adapt_shift(node: SourceNode) -> Sequence[ir.Value]:
    """To the left the bits; to the right x, or of a negative one ~(~x >> n), whose sign is filled in.

    Amounts below 0 or beyond the type's width shift everything out.
    """
    value, amount = node.input(0), node.input(1)
    assert value.dtype is not None
    if value.dtype not in _UNSIGNED:
        return node.emit()
    width = 8 * value.dtype.numpy().itemsize
    zero, limit = node.number(0, value), node.number(min(width, 127), value)
    outside = node.op("Or", node.op("Less", amount, zero), node.op("GreaterOrEqual", amount, limit))
    within = node.op("Where", outside, zero, amount)
    if node.attribute("direction") == "LEFT":
        return (node.op("Where", outside, zero, _shifted(node, value, within, "LEFT")),)
    negative = node.op("Less", value, zero)
    size = node.op("Where", negative, node.op("BitwiseNot", value), value)
    moved = node.op("Where", outside, zero, _shifted(node, size, within, "RIGHT"))
    return (node.op("Where", negative, node.op("BitwiseNot", moved), moved),)


def _shifted(node: SourceNode, value: ir.Value, amount: ir.Value, direction: str) -> ir.Value:
    assert value.dtype is not None
    unsigned = int(_UNSIGNED[value.dtype])
    bits, places = (node.op("Cast", given, to=unsigned) for given in (value, amount))
    shifted = node.op("BitShift", bits, places, direction=direction)
    return node.op("Cast", shifted, to=int(value.dtype))
