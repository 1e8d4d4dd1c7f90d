"""Which Python class stands for which custom layer class name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from mltoolkit.custom_layers.installed import installed_layer, installed_names
from mltoolkit.custom_layers.protocol import CustomLayer
from mltoolkit.custom_layers.shipped import SHIPPED, shipped_layer
from mltoolkit.errors import ArgumentError, MissingCustomLayerError, did_you_mean

LayerClass = type[CustomLayer]
_AnyLayerClass = TypeVar("_AnyLayerClass", bound=LayerClass)

_registered: dict[str, LayerClass] = {}


def register_custom_layer(layer_class: _AnyLayerClass) -> _AnyLayerClass:
    """Class decorator: use the class wherever a model has a custom layer of its ``class_name``.

    Registering another class under the same name raises ArgumentError; the same class may be defined again under the
    same module and name, as happens when a notebook cell is run twice.
    """
    name = _checked_name(layer_class)
    known = _registered.get(name)
    if known is not None and (known.__module__, known.__qualname__) != (
        layer_class.__module__,
        layer_class.__qualname__,
    ):
        raise ArgumentError(
            f"the custom layer {name!r} is already registered by {known.__module__}.{known.__qualname__}",
            fix="Pass the other one to load(..., custom_layers=[...]), which goes first",
        )
    _registered[name] = layer_class
    return layer_class


def _checked_name(layer_class: object) -> str:
    if not (isinstance(layer_class, type) and issubclass(layer_class, CustomLayer)):
        raise ArgumentError(f"a custom layer is a subclass of mltoolkit.custom_layers.CustomLayer, not {layer_class!r}")
    if not layer_class.class_name:
        raise ArgumentError(
            f"the custom layer {layer_class.__name__} has no class_name",
            fix="Set it to the className of the layer in the model file",
        )
    return layer_class.class_name


def layers_given(given: Any) -> tuple[LayerClass, ...] | Mapping[str, LayerClass]:
    """The custom layers that a caller gives for one model; an iterator is read.

    Raises:
        ArgumentError: they are no list of classes, and no mapping from names to classes.
    """
    if isinstance(given, Mapping):
        return given
    if isinstance(given, (str, type)) or not isinstance(given, Iterable):
        raise ArgumentError(f"custom_layers is {given!r}", fix="Give a list of classes, such as [MyLayer]")
    return tuple(given)


class CustomLayerSet:
    """The custom layers that one model may use.

    Those given for it go first, then the registered ones, those of installed packages (installed.py) and those that
    mltoolkit brings (shipped.py).

    Args:
        given: layer classes, or a mapping from class names of the file to layer classes.
    """

    def __init__(self, given: Iterable[LayerClass] | Mapping[str, LayerClass] = ()) -> None:
        if isinstance(given, Mapping):
            for layer_class in given.values():
                _checked_name(layer_class)
            self._given = dict(given)
        else:
            self._given = {_checked_name(layer_class): layer_class for layer_class in given}
        self._found: dict[str, LayerClass] = {}

    def known(self, class_names: Iterable[str]) -> dict[str, LayerClass]:
        """The classes for those of the names that have one; to be sent to another process, say."""
        classes = {name: self._look_up(name) for name in class_names}
        return {name: layer_class for name, layer_class in classes.items() if layer_class is not None}

    def _look_up(self, name: str) -> LayerClass | None:
        known = self._given.get(name) or _registered.get(name) or self._found.get(name)
        if known is None:
            # Installed packages are searched on disk, which a model with many layers shall not wait for each time.
            known = installed_layer(name) or shipped_layer(name)
            if known is not None:
                self._found[name] = known
        return known

    def find(self, class_name: str, where: str) -> LayerClass:
        """The class for a class name.

        Raises:
            MissingCustomLayerError: there is none.
        """
        found = self._look_up(class_name)
        if found is None:
            hint = did_you_mean(class_name, [*self._given, *_registered, *installed_names(), *SHIPPED])
            # No other layer than one of nearly that name can stand for it.
            hint = f"{hint} " if hint.endswith("?") else ""
            raise MissingCustomLayerError(
                f"the custom layer {class_name!r} has no Python class",
                where=where,
                fix=f"{hint}Register one with @mltoolkit.register_custom_layer "
                "or pass it to load(..., custom_layers=[...])",
            )
        return found
