"""Arithmetic of two values with NumPy's broadcasting."""

from __future__ import annotations

from typing import Any

from mltoolkit.converters.mil.context import NodeContext
from mltoolkit.converters.mil.registry import writes

_OPERATIONS = {"Add": "add", "Sub": "sub", "Mul": "mul"}


@writes("Add", "Sub", "Mul")
def write_arithmetic(node: NodeContext) -> Any:
    """Add, Sub, Mul."""
    return getattr(node.mb, _OPERATIONS[node.op_type])(x=node.input(0), y=node.input(1))
