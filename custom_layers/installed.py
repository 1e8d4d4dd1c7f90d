"""Custom layers that other installed packages bring through the entry point group ``mltoolkit.custom_layers``."""

from __future__ import annotations

from importlib.metadata import entry_points

from mltoolkit.custom_layers.protocol import CustomLayer
from mltoolkit.errors import CustomLayerError

GROUP = "mltoolkit.custom_layers"


def installed_names() -> list[str]:
    """The class names that installed packages bring."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def installed_layer(class_name: str) -> type[CustomLayer] | None:
    """The class for a class name, or None; its package is imported now.

    An entry point's name is the layer's class name, its value ``package.module:Class``.

    Raises:
        CustomLayerError: it cannot be imported, or is no subclass of CustomLayer.
    """
    for point in entry_points(group=GROUP, name=class_name):
        where = f"the entry point {point.name} = {point.value}"
        try:
            found = point.load()
        except Exception as error:  # foreign code runs here
            raise CustomLayerError(
                f"the custom layer {class_name!r} cannot be imported: {type(error).__name__}: {error}", where=where
            ) from error
        if not (isinstance(found, type) and issubclass(found, CustomLayer)):
            raise CustomLayerError(
                f"the custom layer {class_name!r} is no subclass of mltoolkit.custom_layers.CustomLayer", where=where
            )
        return found
    return None
