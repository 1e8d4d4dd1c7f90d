"""Which function converts which layer type."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mltoolkit.converters.registry import Registry

if TYPE_CHECKING:
    from mltoolkit.converters.neural_network.context import LayerContext

LayerConverter = Callable[["LayerContext", Any], None]

# One module a layer family; importing it registers its converters.
FAMILIES = (
    "activation",
    "branching",
    "broadcast_to",
    "broadcasting",
    "categorical",
    "comparison",
    "constants",
    "convolution",
    "convolution3d",
    "crop_resize",
    "cumulative",
    "custom",
    "distributions",
    "elementary",
    "elementwise",
    "embedding",
    "embedding_nd",
    "filling",
    "gathering",
    "gru",
    "inner_product",
    "joining",
    "joining_nd",
    "local_response",
    "looping",
    "lstm",
    "matrix_product",
    "normalization",
    "normalization_nd",
    "one_hot",
    "padding",
    "padding_nd",
    "pooling",
    "pooling3d",
    "ranges",
    "rank_changes",
    "ranking",
    "reduction",
    "reduction_nd",
    "reorganization",
    "reshaping",
    "resize",
    "reversal",
    "scaling",
    "scattering",
    "selection",
    "shape",
    "simple_recurrent",
    "slicing",
    "slicing_nd",
    "sliding_windows",
    "suppression",
    "transpose",
    "triangles",
    "unary",
)

_registry = Registry[LayerConverter]("mltoolkit.converters.neural_network", FAMILIES, "layer type")


def converts(*layer_types: str) -> Callable[[LayerConverter], LayerConverter]:
    """Register a function as the converter of layer types (names of the ``layer`` oneof of NeuralNetworkLayer).

    The function reads its inputs with ``context.input(i)``, emits nodes through ``context.builder`` and hands over its
    results with ``context.output(i, value)``.
    """
    return _registry.register(*layer_types)


def layer_converters() -> dict[str, LayerConverter]:
    """All converters by layer type."""
    return _registry.entries()
