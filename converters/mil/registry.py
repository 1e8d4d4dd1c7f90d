"""Which function writes which ONNX operator."""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mltoolkit.converters.mil.context import NodeContext

# A writer returns a value for each output of its node: PyMIL Vars or, for what is known, arrays.
Writer = Callable[["NodeContext"], Any]

# One module an operator family; importing it registers its writers.
FAMILIES = (
    "convolution",
    "elementwise_binary",
    "elementwise_unary",
)

_writers: dict[str, Writer] = {}


def writes(*operators: str) -> Callable[[Writer], Writer]:
    """Register a function as the writer of ONNX operators (standard domain, hub opset).

    The function reads its inputs with ``node.input(0)`` and ``node.constant(1)``, its attributes with
    ``node.attribute("axis", 0)``, emits MIL operations with ``node.mb`` and returns the result, or one for each
    output. What it cannot express it refuses with ``node.refuse(reason)``.
    """

    def register(function: Writer) -> Writer:
        for operator in operators:
            if operator in _writers:
                raise RuntimeError(f"two writers for the operator {operator!r}")
            _writers[operator] = function
        return function

    return register


@functools.cache
def writers() -> dict[str, Writer]:
    """All writers by operator."""
    for family in FAMILIES:
        import_module(f"mltoolkit.converters.mil.{family}")
    return _writers
