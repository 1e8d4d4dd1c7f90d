"""Inputs and outputs of the graph, as the Keras model has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import onnx_ir as ir

from mltoolkit.converters.keras.dtypes import hub_dtype
from mltoolkit.converters.keras.tensors import Tensor
from mltoolkit.converters.keras.walk import ModelWalk
from mltoolkit.errors import ArgumentError, did_you_mean
from mltoolkit.graph.builder import Dimension

InputShapes = Sequence[int | None] | Mapping[str, Sequence[int | None]]


def declared_inputs(
    walk: ModelWalk, function: Any, input_shapes: InputShapes | None, batch_size: int | None
) -> list[Tensor]:
    """Declare the inputs; feature maps that are channels-last are turned right here."""
    given = shapes_by_name(function, input_shapes)
    tensors = []
    for symbol in function.inputs:
        shape = _dimensions(symbol, given.get(symbol.name), batch_size)
        dtype = hub_dtype(symbol.dtype, f"input {symbol.name!r}")
        tensor = Tensor(walk.builder.input(symbol.name, dtype, shape))
        # Where the turned value is not needed it is dropped at the end.
        tensors.append(walk.layouts.moved(tensor) if walk.channels_last and len(shape) in (4, 5) else tensor)
    return tensors


def shapes_by_name(function: Any, input_shapes: InputShapes | None) -> Mapping[str, Sequence[int | None]]:
    """The given shapes by name of the input.

    Raises:
        ArgumentError: one shape for several inputs, or a name that is no input.
    """
    names = [symbol.name for symbol in function.inputs]
    if input_shapes is None:
        return {}
    if not isinstance(input_shapes, Mapping):
        if len(names) != 1:
            raise ArgumentError(
                f"input_shapes is one shape, but the model has {len(names)} inputs",
                fix=f"Give a dictionary with the names {', '.join(map(repr, names))}",
            )
        return {names[0]: input_shapes}
    for name in input_shapes:
        if name not in names:
            raise ArgumentError(f"the model has no input {name!r}", fix=did_you_mean(name, names))
    return input_shapes


def _dimensions(symbol: Any, given: Sequence[int | None] | None, batch_size: int | None) -> list[Dimension]:
    shape: list[int | None] = list(symbol.shape)
    if given is not None:
        fits = len(given) == len(shape) and all(
            own is None or size is None or own == size for own, size in zip(shape, given, strict=True)
        )
        if not fits:
            raise ArgumentError(
                f"the shape {tuple(given)} does not fit the input {symbol.name!r} of shape {tuple(shape)}",
                fix="Only sizes that the model leaves open (None) can be given, batch included",
            )
        shape = [own if own is not None else size for own, size in zip(shape, given, strict=True)]
    if shape and shape[0] is None:
        shape[0] = batch_size
    return [
        size if size is not None else "batch" if axis == 0 else f"{symbol.name}_{axis}"
        for axis, size in enumerate(shape)
    ]


def output_names(function: Any) -> list[str]:
    """A name for each output: its key where the model returns a dictionary, else the layer that makes it."""
    structure = function._outputs_struct
    if isinstance(structure, dict) and len(structure) == len(function.outputs):
        keys = {id(symbol): key for key, symbol in structure.items()}
        wanted = [str(keys.get(id(symbol), symbol.name)) for symbol in function.outputs]
    else:
        wanted = [symbol._keras_history.operation.name for symbol in function.outputs]
    taken = {symbol.name for symbol in function.inputs}
    names = []
    for name in wanted:
        unique, number = name, 1
        while unique in taken:
            number += 1
            unique = f"{name}_{number}" if name in names else f"{name}_output"
            if unique in taken and name not in names:
                unique = f"{name}_output_{number}"
        taken.add(unique)
        names.append(unique)
    return names


def named_outputs(walk: ModelWalk, names: Sequence[str], tensors: Sequence[Tensor]) -> list[ir.Value]:
    """The outputs in Keras' order of axes, each a value of its own with its name."""
    values: list[ir.Value] = []
    for name, tensor in zip(names, tensors, strict=True):
        value = walk.layouts.logical(tensor)
        if value.producer() is None or value in values:
            value = walk.builder.op("Identity", value)
        value.name = name
        values.append(value)
    return values


def has_channels_first_layers(function: Any) -> bool:
    """Whether any layer of the model, at any depth, is told that its channels come first."""
    return any(getattr(source, "data_format", None) == "channels_first" for source in _sources(function))


def _sources(function: Any) -> Iterator[Any]:
    for source in function.operations:
        yield source
        if hasattr(source, "operations"):
            yield from _sources(source)
        yield from getattr(source, "layers", ())
