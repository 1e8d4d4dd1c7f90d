"""A caller's dictionary of inputs, checked against the description and turned into arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mltoolkit.errors import InputError, UnsupportedModelError, did_you_mean
from mltoolkit.formats.array_shapes import same_elements
from mltoolkit.formats.features import ArrayFeature, Feature, ImageFeature, Interface, ScalarFeature
from mltoolkit.runtime.images import prepare_image

Shapes = tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True)
class BoundInputs:
    """Arrays by input name, and the shapes that differ from the described ones ((height, width) for an image)."""

    feeds: dict[str, NDArray[Any]]
    shapes: Shapes


def check_names(interface: Interface, data: Mapping[str, Any]) -> None:
    """Check that every input that is not optional has a value, and that nothing else is given.

    Raises:
        InputError: names the input, and those that come close.
    """
    if not isinstance(data, Mapping):
        raise InputError(
            f"inputs are given as a dictionary, not as {type(data).__name__}",
            fix=f"The inputs are: {', '.join(repr(feature.name) for feature in interface.inputs)}",
        )
    names = [feature.name for feature in interface.inputs]
    for name in data:
        if name not in names:
            raise InputError(f"the model has no input {name!r}", fix=did_you_mean(str(name), names))
    missing = [feature.name for feature in interface.inputs if not feature.optional and data.get(feature.name) is None]
    if missing:
        raise InputError(f"no value is given for {', '.join(map(repr, missing))}", fix="Add it to the dictionary")


def bind_inputs(interface: Interface, data: Mapping[str, Any], *, leading_axes: bool = False) -> BoundInputs:
    """Check a caller's inputs and convert them.

    Args:
        interface: the model's description.
        data: a value for every input that is not optional. An array left out takes its default value or zeros.
        leading_axes: arrays may have two more axes in front, sequence and batch, than described.

    Raises:
        InputError: an input is missing, misspelt, of the wrong type or of a shape that the model does not allow.
    """
    check_names(interface, data)
    feeds: dict[str, NDArray[Any]] = {}
    shapes: list[tuple[str, tuple[int, ...]]] = []
    for feature in interface.inputs:
        array, shape = _bind(feature, data.get(feature.name), leading_axes)
        feeds[feature.name] = array
        if shape is not None:
            shapes.append((feature.name, shape))
    return BoundInputs(feeds, tuple(shapes))


def _bind(feature: Feature, value: Any, leading_axes: bool) -> tuple[NDArray[Any], tuple[int, ...] | None]:
    if isinstance(feature, ImageFeature):
        if value is None:
            return np.zeros((1, feature.channels, feature.height, feature.width), dtype=np.float32), None
        image = prepare_image(feature, value).array
        size = (int(image.shape[2]), int(image.shape[3]))
        if image.shape[1] != feature.channels or not feature.allows(size[1], size[0]):
            raise InputError(
                f"the prepared picture has shape {image.shape}, which the model does not allow",
                where=f"input {feature.name!r}",
            )
        return image, None if size == (feature.height, feature.width) else size
    if isinstance(feature, ArrayFeature):
        dtype = np.int32 if feature.dtype.startswith("int") else np.float32
        array = bind_array(feature, value, dtype, leading_axes=leading_axes)
        return array, None if array.shape == feature.shape else array.shape
    if isinstance(feature, ScalarFeature):
        number = to_numbers(feature.name, 0.0 if value is None else value, np.float32)
        if number.size != 1:
            raise InputError(f"the model takes one number, not {number.size}", where=f"input {feature.name!r}")
        return number.reshape(1), None
    raise UnsupportedModelError(
        f"inputs of kind {type(feature).__name__} cannot be fed", where=f"input {feature.name!r}"
    )


def to_numbers(name: str, value: Any, dtype: DTypeLike) -> NDArray[Any]:
    """A value given for the input ``name`` as an array of that type.

    Raises:
        InputError: it holds no numbers, or fractions where whole numbers are wanted.
    """
    where = f"input {name!r}"
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise InputError("the value is no array: its rows have different lengths", where=where) from error
    if array.dtype.kind not in "fiub":
        raise InputError(f"the value must hold numbers, not {array.dtype}", where=where)
    if np.issubdtype(dtype, np.integer) and array.dtype.kind == "f" and not np.all(array == np.rint(array)):
        raise InputError("the model takes whole numbers but the value has fractions", where=where)
    return np.ascontiguousarray(array, dtype=dtype)


def bind_array(feature: ArrayFeature, value: Any, dtype: DTypeLike, *, leading_axes: bool = False) -> NDArray[Any]:
    """An array given for an array input, in a shape that the model allows.

    Args:
        feature: the input.
        value: the array; None stands for the default value, or zeros.
        dtype: the type of the result.
        leading_axes: the array may have two more axes in front, sequence and batch, than described.

    Raises:
        InputError: it holds no numbers, is empty or has another shape.
    """
    if value is None:
        # Sizes that the file leaves open are as small as they can be.
        return np.full(tuple(size or 1 for size in feature.shape), feature.default or 0, dtype=dtype)
    array = to_numbers(feature.name, value, dtype)
    shape = array.shape
    extended = leading_axes and len(shape) == len(feature.shape) + 2 and shape[2:] == feature.shape and min(shape) > 0
    if not extended and not feature.allows(shape):
        if 0 in feature.shape or not same_elements(shape, feature.shape):
            raise InputError(
                f"the array has shape {shape}, which the model does not allow",
                where=f"input {feature.name!r}",
                fix=f"Allowed: {describe_shapes(feature)}",
            )
        array = array.reshape(feature.shape)
    if not array.size:
        raise InputError(f"the array of shape {shape} is empty", where=f"input {feature.name!r}")
    return array


def describe_shapes(feature: ArrayFeature) -> str:
    """The shapes that an array input may have, in words."""
    if feature.ranges:
        return "(" + ", ".join(map(str, feature.ranges)) + ")"
    if feature.shapes:
        return " or ".join(map(str, dict.fromkeys((feature.shape, *feature.shapes))))
    return "(" + ", ".join(str(size) if size else "any" for size in feature.shape) + ")"
