"""What is known of a value that comes from one place or another."""

from __future__ import annotations

import onnx_ir as ir

from mltoolkit.graph.builder import known_shape


def common_type(first: ir.Value, second: ir.Value) -> ir.Value:
    """A value of the type that two of one element type share; what differs of the shape is unknown."""
    one, other = known_shape(first), known_shape(second)
    if one is None or other is None or len(one) != len(other):
        return ir.Value(type=first.type)
    sizes = [
        size if isinstance(size, int) and size == second_size else None
        for size, second_size in zip(one, other, strict=True)
    ]
    return ir.Value(type=first.type, shape=ir.Shape(sizes))
