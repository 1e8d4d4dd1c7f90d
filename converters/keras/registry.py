"""Which function converts which Keras layer, and which Keras operation (`keras.ops`) of a functional graph."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from mltoolkit.converters.keras.tensors import Tensor

if TYPE_CHECKING:
    from mltoolkit.converters.keras.context import LayerContext

Converter = Callable[["LayerContext"], Tensor | Sequence[Tensor]]

# One module a layer family; importing it registers its converters.
FAMILIES = (
    "activation_layers",
    "convolution",
    "convolution_transpose",
    "dense",
    "elementwise",
    "identity",
    "joining",
    "normalization",
    "pooling",
    "reshaping",
    "scaling",
)


@dataclass(frozen=True)
class Registered:
    """A converter, and whether it deals with masks of its inputs itself."""

    convert: Converter
    masks: bool


_layers: dict[str, Registered] = {}
_operations: dict[str, Registered] = {}


def converts(*class_names: str, masks: bool = False) -> Callable[[Converter], Converter]:
    """Register a function as the converter of layers of Keras.

    Args:
        class_names: names of the classes, as ``keras.layers`` has them.
        masks: the function looks at the masks of its inputs. Without it a layer that Keras would give a mask to
            is refused.
    """
    return functools.partial(_register, _layers, class_names, masks)


def converts_operation(*class_names: str) -> Callable[[Converter], Converter]:
    """Register a function as the converter of operations: classes of ``keras.src.ops``, such as ``GetItem``."""
    return functools.partial(_register, _operations, class_names, False)


def _register(table: dict[str, Registered], class_names: Sequence[str], masks: bool, function: Converter) -> Converter:
    for class_name in class_names:
        if class_name in table:
            raise RuntimeError(f"two converters for the Keras class {class_name!r}")
        table[class_name] = Registered(function, masks)
    return function


def layer_converters() -> dict[str, Registered]:
    """All converters of layers by class name."""
    _load_families()
    return _layers


def operation_converters() -> dict[str, Registered]:
    """All converters of operations by class name."""
    _load_families()
    return _operations


@functools.cache
def _load_families() -> None:
    for family in FAMILIES:
        import_module(f"mltoolkit.converters.keras.{family}")
