"""What a model is given: names, types and shapes, those that the caller overrides included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
import onnx_ir as ir

from mltoolkit.errors import ArgumentError, UnsupportedModelError, did_you_mean
from mltoolkit.graph.builder import Dimension, known_shape


@dataclass(frozen=True)
class InputDeclaration:
    """An input of the model; ``source`` is its value in the file."""

    source: ir.Value
    name: str
    dtype: np.dtype[Any]
    shape: tuple[Dimension, ...]


def declare_inputs(graph: ir.Graph, overrides: Mapping[str, Sequence[Dimension]]) -> tuple[InputDeclaration, ...]:
    """The inputs of a graph. Those that an initializer gives a value are constants.

    Args:
        graph: the source's graph.
        overrides: shapes by the name of the input.

    Raises:
        UnsupportedModelError: an input is no tensor, or not even its rank is known.
        ArgumentError: an override does not fit.
    """
    inputs = [value for value in graph.inputs if value.name not in graph.initializers]
    names = [value.name or "" for value in inputs]
    for name in overrides:
        if name not in names:
            raise ArgumentError(f"input_shapes names {name!r}, which is no input", fix=did_you_mean(name, names))
    sizes = _named_sizes(inputs, overrides)
    return tuple(_declare(value, overrides.get(value.name or ""), sizes) for value in inputs)


def _declare(value: ir.Value, override: Sequence[Dimension] | None, sizes: Mapping[str, int]) -> InputDeclaration:
    name = value.name or ""
    if not isinstance(value.type, ir.TensorType) or value.dtype in (None, ir.DataType.UNDEFINED):
        kind = "has no type" if value.type is None else f"is a {type(value.type).__name__.removesuffix('Type').lower()}"
        if isinstance(value.type, ir.TensorType):
            kind = "has no type"
        raise UnsupportedModelError(f"the input {name!r} {kind}, not a tensor")
    assert value.dtype is not None
    if value.dtype == ir.DataType.STRING:
        raise UnsupportedModelError(f"the input {name!r} holds texts, which no layer of Core ML computes with")
    shape = _checked_override(name, override) if override is not None else known_shape(value)
    if shape is None:
        raise UnsupportedModelError(
            f"the file does not say which shape the input {name!r} has",
            fix=f"Give input_shapes={{{name!r}: (1, 3, 224, 224)}}, with its real sizes",
        )
    known: list[Dimension] = []
    for axis, size in enumerate(shape):
        if isinstance(size, str) and size in sizes and override is None:
            known.append(sizes[size])
        elif isinstance(size, int) and size >= 0:
            known.append(size)
        else:
            known.append(size if _is_name(size) else f"{name}_dim_{axis}")
    return InputDeclaration(value, name, value.dtype.numpy(), tuple(known))


def _is_name(size: Dimension) -> TypeGuard[str]:
    """Whether a size has a name; exporters also write −1 or "?" for one that is not known."""
    return isinstance(size, str) and any(letter.isalnum() for letter in size)


def _named_sizes(inputs: Sequence[ir.Value], overrides: Mapping[str, Sequence[Dimension]]) -> dict[str, int]:
    """The sizes that overrides give to the names of sizes."""
    sizes: dict[str, int] = {}
    for value in inputs:
        override, shape = overrides.get(value.name or ""), known_shape(value)
        if override is None or shape is None:
            continue
        if len(override) != len(shape):
            raise ArgumentError(
                f"input_shapes gives {value.name!r} the shape {tuple(override)}, but the model's has {len(shape)} "
                f"axes: {shape}"
            )
        for given, name in zip(override, shape, strict=True):
            if isinstance(given, int) and _is_name(name) and sizes.setdefault(name, given) != given:
                raise ArgumentError(f"input_shapes gives the size {name!r} both {sizes[name]} and {given}")
    return sizes


def _checked_override(name: str, override: Sequence[Dimension]) -> tuple[Dimension, ...]:
    for size in override:
        if not (size is None or isinstance(size, str) or (isinstance(size, int) and size > 0)):
            raise ArgumentError(f"input_shapes gives {name!r} the size {size!r}; sizes are positive integers or names")
    return tuple(override)
