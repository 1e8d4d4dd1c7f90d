"""Feature values of every type: a caller's, checked, and a model's, as its description promises them.

For models that are no networks: numbers keep their full precision, and texts, dictionaries and lists are
values too. :mod:`mltoolkit.runtime.inputs` does the same for graphs, which take arrays only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import InputError, PredictionError, UnsupportedModelError
from mltoolkit.formats.features import (
    ArrayFeature,
    DictionaryFeature,
    Feature,
    ImageFeature,
    Interface,
    ScalarFeature,
    SequenceFeature,
    StringFeature,
)
from mltoolkit.runtime.images import prepare_image, to_image
from mltoolkit.runtime.inputs import bind_array, check_names, to_numbers


def bind_values(interface: Interface, data: Mapping[str, Any]) -> dict[str, Any]:
    """Check a caller's inputs and convert them.

    Returns:
        By name, for every input: arrays of the described type (a described default where nothing is given),
        pictures as float32 (C, H, W), ``float`` or ``int``, ``str``, dictionaries of floats, lists; None
        for an optional input that is not given.

    Raises:
        InputError: an input is missing, misspelt, of the wrong type or of a shape that is not allowed.
    """
    check_names(interface, data)
    return {feature.name: _bind(feature, data.get(feature.name)) for feature in interface.inputs}


def _bind(feature: Feature, value: Any) -> Any:
    where = f"input {feature.name!r}"
    if isinstance(feature, ArrayFeature):
        if value is None and feature.default is None:
            return None
        return _bind_array(feature, value)
    if value is None:
        return None
    if isinstance(feature, ImageFeature):
        return prepare_image(feature, value).array[0]
    if isinstance(feature, ScalarFeature):
        number = to_numbers(feature.name, value, np.dtype(feature.dtype))
        if number.size != 1:
            raise InputError(f"the model takes one number, not {number.size}", where=where)
        return number.reshape(()).item()
    if isinstance(feature, StringFeature):
        if not isinstance(value, str):
            raise InputError(f"the model takes a text, not {type(value).__name__}", where=where)
        return str(value)
    if isinstance(feature, DictionaryFeature):
        return _bind_dictionary(feature, value, where)
    if isinstance(feature, SequenceFeature):
        if not isinstance(value, (list, tuple, np.ndarray)):
            raise InputError(f"the model takes a list, not {type(value).__name__}", where=where)
        return [_bind_item(item, feature.item_type, "items", where) for item in value]
    raise UnsupportedModelError(f"inputs of kind {type(feature).__name__} cannot be fed", where=where)


def _bind_array(feature: ArrayFeature, value: Any) -> NDArray[Any]:
    dtype = np.dtype(feature.dtype)
    if value is not None and not (feature.shape or feature.shapes or feature.ranges):
        # The description states no shape, so that every shape is allowed.
        feature = dataclasses.replace(feature, shape=np.shape(value))
    return bind_array(feature, value, dtype)


def _bind_dictionary(feature: DictionaryFeature, value: Any, where: str) -> dict[Any, float]:
    if not isinstance(value, Mapping):
        raise InputError(f"the model takes a dictionary, not {type(value).__name__}", where=where)
    bound: dict[Any, float] = {}
    for key, number in value.items():
        try:
            bound[_bind_item(key, feature.key_type, "keys", where)] = float(number)
        except (TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"the value of the key {key!r} is no number", where=where) from error
    return bound


def _bind_item(item: Any, kind: str, role: str, where: str) -> str | int:
    if kind == "string" and isinstance(item, str):
        return str(item)
    if kind == "int64" and isinstance(item, (int, np.integer)) and not isinstance(item, bool):
        return int(item)
    wanted = "texts" if kind == "string" else "whole numbers"
    raise InputError(f"the {role} must be {wanted}, not {type(item).__name__}", where=where)


def present_value(feature: Feature, value: Any) -> Any:
    """What a model computed, as its description promises it.

    Raises:
        PredictionError: the value does not fit: an array of another size, a number that is no integer.
    """
    where = f"output {feature.name!r}"
    if isinstance(feature, ImageFeature):
        return to_image(feature, value)
    if isinstance(feature, ArrayFeature):
        return _present_array(feature, np.asarray(value), where)
    if isinstance(feature, ScalarFeature):
        number = np.asarray(value)
        if number.size != 1:
            raise PredictionError(f"the model makes {number.size} numbers where the description has one", where=where)
        scalar = float(number.reshape(()))
        if feature.dtype != "int64":
            return scalar
        if isinstance(value, int):
            return value
        if not np.isfinite(scalar):
            raise PredictionError(f"the model makes {scalar}, which is no integer", where=where)
        return round(scalar)
    return value


def _present_array(feature: ArrayFeature, array: NDArray[Any], where: str) -> NDArray[Any]:
    dtype = np.dtype(feature.dtype)
    if dtype.kind == "i" and not np.isfinite(array).all():
        raise PredictionError("the model makes a value that is no integer", where=where)
    if feature.shape and array.size == np.prod(feature.shape):
        array = array.reshape(feature.shape)
    elif feature.shape and not feature.flexible:
        raise PredictionError(
            f"the model makes an array of shape {array.shape}, the description has {feature.shape}",
            where=where,
        )
    return array.astype(dtype, copy=False)


def raw_values(interface: Interface, values: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """The outputs that are numbers, arrays or pictures, as arrays; others are left out."""
    return {
        feature.name: np.atleast_1d(values[feature.name])
        for feature in interface.outputs
        if isinstance(feature, (ArrayFeature, ScalarFeature, ImageFeature)) and feature.name in values
    }
