"""Which function converts which Keras layer, and which Keras operation (`keras.ops`) of a functional graph."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mltoolkit.converters.keras.tensors import Tensor
from mltoolkit.converters.registry import Registry

if TYPE_CHECKING:
    from mltoolkit.converters.keras.context import LayerContext

Converter = Callable[["LayerContext"], Tensor | Sequence[Tensor]]

# One module a layer family; importing it registers its converters.
FAMILIES = (
    "activation_layers",
    "adaptive_pooling",
    "attention",
    "categories",
    "convolution",
    "convolution_transpose",
    "dense",
    "elementwise",
    "embedding",
    "identity",
    "joining",
    "normalization",
    "operations_arithmetic",
    "operations_images",
    "operations_indexing",
    "operations_neural",
    "operations_product",
    "operations_reduction",
    "operations_shape",
    "operations_unary",
    "pooling",
    "rearranging",
    "recurrent",
    "refused",
    "reshaping",
    "resizing",
    "scaling",
    "spectrograms",
    "wrappers",
)


@dataclass(frozen=True)
class Registered:
    """A converter, and whether it deals with masks of its inputs itself."""

    convert: Converter
    masks: bool


_PACKAGE = "mltoolkit.converters.keras"
_layers = Registry[Registered](_PACKAGE, FAMILIES, "Keras layer")
_operations = Registry[Registered](_PACKAGE, FAMILIES, "Keras operation")


def converts(*class_names: str, masks: bool = False) -> Callable[[Converter], Converter]:
    """Register a function as the converter of layers of Keras.

    Args:
        class_names: names of the classes, as ``keras.layers`` has them.
        masks: the function looks at the masks of its inputs. Without it a layer that Keras would give a mask to
            is refused.
    """
    return functools.partial(_add, _layers, class_names, masks)


def converts_operation(*class_names: str) -> Callable[[Converter], Converter]:
    """Register a function as the converter of operations: classes of ``keras.src.ops``, such as ``GetItem``."""
    return functools.partial(_add, _operations, class_names, False)


def _add(registry: Registry[Registered], names: Sequence[str], masks: bool, function: Converter) -> Converter:
    registry.add(names, Registered(function, masks))
    return function


def layer_converters() -> dict[str, Registered]:
    """All converters of layers by class name."""
    return _layers.entries()


def operation_converters() -> dict[str, Registered]:
    """All converters of operations by class name."""
    return _operations.entries()
