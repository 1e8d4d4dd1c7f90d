"""Functions of one value."""

from __future__ import annotations

from typing import Any

from mltoolkit.converters.mil.context import NodeContext
from mltoolkit.converters.mil.registry import writes

_OPERATIONS = {"Abs": "abs", "Exp": "exp", "Sqrt": "sqrt", "Sigmoid": "sigmoid", "Tanh": "tanh", "Relu": "relu"}


@writes(*_OPERATIONS)
def write_function(node: NodeContext) -> Any:
    """A function that MIL has under its own name."""
    return getattr(node.mb, _OPERATIONS[node.op_type])(x=node.input(0))
