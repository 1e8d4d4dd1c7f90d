"""Which function converts which layer type."""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

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

_converters: dict[str, LayerConverter] = {}


def converts(*layer_types: str) -> Callable[[LayerConverter], LayerConverter]:
    """Register a function as the converter of layer types (names of the ``layer`` oneof of NeuralNetworkLayer).

    The function reads its inputs with ``context.input(i)``, emits nodes through ``context.builder`` and hands over its
    results with ``context.output(i, value)``.
    """

    def register(function: LayerConverter) -> LayerConverter:
        for layer_type in layer_types:
            if layer_type in _converters:
                raise RuntimeError(f"two converters for the layer type {layer_type!r}")
            _converters[layer_type] = function
        return function

    return register


@functools.cache
def layer_converters() -> dict[str, LayerConverter]:
    """All converters by layer type."""
    for family in FAMILIES:
        import_module(f"mltoolkit.converters.neural_network.{family}")
    return _converters
