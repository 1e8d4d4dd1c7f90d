"""The described inputs and outputs of a program, and the tensors its operations work on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.ml_program.bindings import Constant
from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.declared import hub_type
from mltoolkit.errors import InvalidModelError, UnsupportedModelError, did_you_mean
from mltoolkit.formats.features import ArrayFeature, Feature, ImageFeature, Interface
from mltoolkit.formats.mil_types import StateType, TensorType, read_type
from mltoolkit.formats.size_limits import MAX_ELEMENTS
from mltoolkit.graph.builder import dtype_of, shape_of


def declare_inputs(
    context: MilContext, function: Any, interface: Interface, shapes: Mapping[str, tuple[int, ...]]
) -> None:
    """Declare the graph's inputs, one for each input of the function, and bind their names.

    Args:
        context: receives the bindings.
        function: the Function message.
        interface: the described inputs and states.
        shapes: shapes that replace the described ones; (height, width) for an image.

    Raises:
        InvalidModelError: the description lacks an input of the function, or gives it another shape.
        UnsupportedModelError: an input is neither array nor picture.
    """
    features: dict[str, Feature] = {feature.name: feature for feature in interface.inputs}
    states = {feature.name: feature for feature in interface.states}
    for argument in function.inputs:
        described = read_type(argument.type)
        where = f"input {argument.name!r}"
        if isinstance(described, StateType):
            _declare_state(context, argument.name, described, states)
            continue
        feature = features.get(argument.name)
        if feature is None:
            raise InvalidModelError(
                "the program has an input that the model's description lacks",
                where=where,
                fix=did_you_mean(argument.name, features),
            )
        if not isinstance(described, TensorType):
            raise UnsupportedModelError("the program takes an input that is no tensor", where=where)
        if isinstance(feature, ImageFeature):
            height, width = shapes.get(feature.name, (feature.height, feature.width))
            shape: tuple[int, ...] = (1, feature.channels, height, width)
        elif isinstance(feature, ArrayFeature):
            shape = shapes.get(feature.name, feature.shape)
        else:
            raise UnsupportedModelError(f"an ML Program cannot take a {type(feature).__name__}", where=where)
        context.scopes.bind(argument.name, _declare(context, argument.name, described, shape))


def _declare(context: MilContext, name: str, described: TensorType, shape: tuple[int, ...]) -> ir.Value:
    where = f"input {name!r}"
    if min(shape, default=1) <= 0 or math.prod(shape) > MAX_ELEMENTS:
        raise InvalidModelError(f"the shape {shape} is impossible", where=where)
    if described.shape is not None and (
        len(shape) != len(described.shape)
        or any(stated not in (None, size) for size, stated in zip(shape, described.shape, strict=True))
    ):
        raise InvalidModelError(f"the shape is {shape} but the program takes {described}", where=where)
    held = hub_type(described.element)
    value = context.builder.input(name, np.int32 if held.kind in "ib" else held, shape)
    if value.name != name:
        raise InvalidModelError("two inputs or outputs of the program share a name", where=where)
    return context.cast(value, held)


def _declare_state(context: MilContext, name: str, described: StateType, states: Mapping[str, ArrayFeature]) -> None:
    where = f"state {name!r}"
    if name not in states:
        raise InvalidModelError("the program has a state that the model's description lacks", where=where)
    wrapped = described.wrapped
    shape = states[name].shape
    if not isinstance(wrapped, TensorType) or wrapped.shape != shape:
        raise InvalidModelError(
            f"the state is described with the shape {shape} but the program keeps {wrapped}", where=where
        )
    context.states[name] = _declare(context, name, wrapped, shape)


def finish_outputs(
    context: MilContext, block: Any, interface: Interface, *, described_shapes_hold: bool
) -> tuple[list[ir.Value], str]:
    """The graph's outputs under their described names, and the name of the probabilities ("" for no
    classifier).

    Args:
        context: holds the bindings.
        block: the function's block.
        interface: the described outputs.
        described_shapes_hold: the inputs have their described shapes, so the outputs must too.

    Raises:
        InvalidModelError: the program does not give a described output, or gives it another shape.
        UnsupportedModelError: an output is neither array nor picture.
    """
    outputs: list[ir.Value] = []
    probabilities = ""
    if context.probabilities is not None:
        if interface.class_labels is None:
            raise InvalidModelError("the program classifies but its description names no label")
        probabilities = interface.predicted_probabilities_name or context.builder.unique_name("classProbability")
        outputs.append(_named(context, context.probabilities, probabilities, outputs))
    by_classifier = {interface.predicted_feature_name, interface.predicted_probabilities_name} - {""}
    for feature in interface.outputs:
        if probabilities and feature.name in by_classifier:
            continue
        if feature.name not in block.outputs:
            raise InvalidModelError(
                f"the program does not give the described output {feature.name!r}",
                fix=did_you_mean(feature.name, block.outputs),
            )
        value = _as_value(context, feature.name)
        if isinstance(feature, ImageFeature):
            value = _image_output(context, feature, value)
        elif isinstance(feature, ArrayFeature):
            value = _array_output(context, feature, value, described_shapes_hold)
        else:
            raise UnsupportedModelError(
                f"an ML Program cannot give a {type(feature).__name__}", where=f"output {feature.name!r}"
            )
        outputs.append(_named(context, value, feature.name, outputs))
    return outputs, probabilities


def _as_value(context: MilContext, name: str) -> ir.Value:
    where = f"output {name!r}"
    bound = context.scopes.find(name, where)
    if isinstance(bound, Constant):
        bound = context.tensor(bound)
    if not isinstance(bound, ir.Value):
        raise UnsupportedModelError("the program gives an output that is no tensor", where=where)
    return bound


def _named(context: MilContext, value: ir.Value, name: str, taken: list[ir.Value]) -> ir.Value:
    if value.producer() is None or any(value is other for other in taken):
        value = context.builder.op("Identity", value)
    value.name = name
    return value


def _contradiction(name: str, described: tuple[int, ...], found: tuple[Any, ...]) -> InvalidModelError:
    return InvalidModelError(
        f"the model's description gives the output the shape {described} but its program gives {found}",
        where=f"output {name!r}",
    )


def _image_output(context: MilContext, feature: ImageFeature, value: ir.Value) -> ir.Value:
    shape = shape_of(value)
    if len(shape) != 4 or shape[0] != 1 or shape[1] not in (None, feature.channels):
        raise _contradiction(feature.name, (1, feature.channels, feature.height, feature.width), shape)
    return context.builder.op("Squeeze", value, context.builder.constant([0]))


def _array_output(context: MilContext, feature: ArrayFeature, value: ir.Value, described_shapes_hold: bool) -> ir.Value:
    shape = shape_of(value)
    described = feature.shape
    known = all(isinstance(size, int) for size in shape)
    if described and described_shapes_hold and known and not feature.flexible and shape != described:
        raise _contradiction(feature.name, described, shape)
    if not shape:
        # Core ML has no scalar outputs; on a Mac they come as arrays of one element.
        value = context.builder.op("Reshape", value, context.builder.constant([1]))
    if dtype_of(value) != np.float32:
        value = context.builder.op("Cast", value, attributes={"to": ir.DataType.INT32})
    return value
