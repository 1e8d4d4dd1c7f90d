"""Which function converts which MIL operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mltoolkit.converters.registry import Registry

if TYPE_CHECKING:
    from mltoolkit.converters.ml_program.context import MilContext

OperationConverter = Callable[["MilContext"], None]

# One module an operation family; importing it registers its converters.
FAMILIES = (
    "activation",
    "attention",
    "classify",
    "comparison",
    "constants",
    "constexpr",
    "control_flow",
    "convolution",
    "convolution_transpose",
    "crop_resize",
    "distributions",
    "elementwise_binary",
    "elementwise_unary",
    "filling",
    "gathering",
    "gru",
    "joining",
    "linear",
    "lists",
    "lstm",
    "normalization",
    "ordering",
    "padding",
    "pooling",
    "quantization",
    "rearranging",
    "reduction",
    "resampling",
    "resize",
    "reversal",
    "scattering",
    "shape",
    "slice_update",
    "slicing",
    "states",
    "suppression",
    "tiling",
    "upsampling",
)

_registry = Registry[OperationConverter]("mltoolkit.converters.ml_program", FAMILIES, "operation")


def converts(*operation_types: str) -> Callable[[OperationConverter], OperationConverter]:
    """Register a function as the converter of MIL operations (``type`` of the message Operation).

    The function reads its inputs with ``context.value("x")`` and ``context.const("axes")``, emits nodes with
    ``context.op`` and hands over its results with ``context.output(value)``.
    """
    return _registry.register(*operation_types)


def operation_converters() -> dict[str, OperationConverter]:
    """All converters by operation type."""
    return _registry.entries()
