"""Python values as ONNX attributes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import onnx_ir as ir


def to_attributes(values: Mapping[str, Any]) -> dict[str, ir.Attr]:
    """Attributes by name, for ``ir.node``.

    Lists are told apart here: onnx_ir first asks, by slow runtime protocols, whether one could be a graph or
    a tensor, which took a third of the time that a network of convolutions needs to be converted.
    """
    return {name: _to_attribute(name, value) for name, value in values.items()}


def _to_attribute(name: str, value: Any) -> ir.Attr:
    if isinstance(value, (list, tuple)) and value:
        kinds = {type(item) for item in value}
        if kinds == {int}:
            return ir.AttrInt64s(name, value)
        if kinds == {float}:
            return ir.AttrFloat32s(name, value)
        if kinds == {str}:
            return ir.AttrStrings(name, value)
    return ir.convenience.convert_attribute(name, value)
