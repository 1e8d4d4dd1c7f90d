"""Reading the parameters of a custom layer."""

from __future__ import annotations

from mltoolkit.custom_layers.protocol import CustomLayer
from mltoolkit.errors import ArgumentError


def size_parameter(layer: CustomLayer, name: str) -> int:
    """A whole number from 1; files may store it as any of their number types.

    Raises:
        ArgumentError: it is missing or something else.
    """
    value = layer.parameters.get(name)
    if not isinstance(value, (int, float)) or isinstance(value, bool) or int(value) != value or value < 1:
        raise ArgumentError(f"{layer.class_name} needs a whole number from 1 as {name}, not {value!r}")
    return int(value)
