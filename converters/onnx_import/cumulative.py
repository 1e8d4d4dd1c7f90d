"""Cumulative products."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.onnx_import.node import SourceNode
from mltoolkit.converters.onnx_import.registry import adapts


@adapts("CumProd", since=26)
def adapt_cumulative_product(node: SourceNode) -> Sequence[ir.Value]:
    """log₂ n products with shifted copies (Hillis and Steele, 1986)."""
    shape = node.static_shape(0)
    axis = int(node.needed_constant(1, "axis").reshape(())) % len(shape)
    backwards, count = bool(node.attribute("reverse", 0)), shape[axis]
    value = node.input(0)
    if node.attribute("exclusive", 0):
        value = _shifted(node, value, axis, count, 1, backwards)
    step = 1
    while step < count:
        value = node.op("Mul", value, _shifted(node, value, axis, count, step, backwards))
        step *= 2
    return (value,)


def _shifted(node: SourceNode, value: ir.Value, axis: int, count: int, step: int, backwards: bool) -> ir.Value:
    """The array moved along an axis by some places, ones moved in."""
    assert value.dtype is not None
    shape = [size if index != axis else step for index, size in enumerate(node.static_shape(0))]
    ones = node.builder.constant(np.ones(shape, dtype=value.dtype.numpy()))
    bounds = (step, count) if backwards else (0, count - step)
    if bounds[0] >= bounds[1]:
        return ones
    first, last = (node.builder.constant([bound]) for bound in bounds)
    kept = node.op("Slice", value, first, last, node.builder.constant([axis]))
    parts = (kept, ones) if backwards else (ones, kept)
    return node.op("Concat", *parts, axis=axis)
