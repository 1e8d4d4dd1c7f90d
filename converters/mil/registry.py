"""Which function writes which ONNX operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mltoolkit.converters.registry import Registry

if TYPE_CHECKING:
    from mltoolkit.converters.mil.context import NodeContext

# A writer returns a value for each output of its node: PyMIL Vars or, for what is known, arrays.
Writer = Callable[["NodeContext"], Any]

# One module an operator family; importing it registers its writers.
FAMILIES = (
    "activation",
    "bits",
    "blocks_of_pixels",
    "branching",
    "center_crop_pad",
    "constants",
    "convolution",
    "convolution_transpose",
    "deformed_convolution",
    "determinants",
    "einsum",
    "elementwise_binary",
    "elementwise_unary",
    "filling",
    "gathering",
    "grid_sample",
    "gru",
    "integer_products",
    "joining",
    "linear",
    "loops",
    "lstm",
    "normalization",
    "ordering",
    "padding",
    "pooling",
    "quantizing",
    "random_numbers",
    "reduction",
    "refused",
    "resizing",
    "roi_align",
    "scattering",
    "selection",
    "sequences",
    "shape",
    "slicing",
    "softmax",
    "spectra",
    "suppression",
)

_registry = Registry[Writer]("mltoolkit.converters.mil", FAMILIES, "operator")


def writes(*operators: str) -> Callable[[Writer], Writer]:
    """Register a function as the writer of ONNX operators (standard domain, hub opset).

    The function reads its inputs with ``node.input(0)`` and ``node.constant(1)``, its attributes with
    ``node.attribute("axis", 0)``, emits MIL operations with ``node.mb`` and returns the result, or one for each
    output. What it cannot express it refuses with ``node.refuse(reason)``.
    """
    return _registry.register(*operators)


def writers() -> dict[str, Writer]:
    """All writers by operator."""
    return _registry.entries()
