"""The imputer (Imputer.proto)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import InputError, InvalidModelError
from mltoolkit.formats.features import (
    ArrayFeature,
    DictionaryFeature,
    Feature,
    Interface,
    ScalarFeature,
    StringFeature,
)
from mltoolkit.runtime.classical.base import Transformer, only
from mltoolkit.runtime.classical.registry import predicts

# Imputed value → what it goes with: the feature's type, and the value to replace.
_KINDS: dict[str, tuple[tuple[type[Feature], ...], str]] = {
    "imputedDoubleValue": ((ScalarFeature, ArrayFeature), "replaceDoubleValue"),
    "imputedInt64Value": ((ScalarFeature,), "replaceInt64Value"),
    "imputedStringValue": ((StringFeature,), "replaceStringValue"),
    "imputedDoubleArray": ((ArrayFeature,), "replaceDoubleValue"),
    "imputedInt64Array": ((ArrayFeature,), "replaceInt64Value"),
    "imputedStringDictionary": ((DictionaryFeature,), ""),
    "imputedInt64Dictionary": ((DictionaryFeature,), ""),
}


@predicts("imputer")
class Imputer(Transformer):
    """Puts a value in the place of missing ones.

    Missing are an optional input that is not given, values equal to the one to replace, and, where the
    model names no such value, NaN. Of a dictionary, entries that are NaN take the value stored for their
    key.
    """

    def __init__(self, spec: Any, interface: Interface) -> None:
        super().__init__(spec, interface)
        which = self.parameters.WhichOneof("ImputedValue")
        if which is None:
            raise InvalidModelError("the imputer has no value to impute")
        kinds, replaced = _KINDS[which]
        self._input: Feature = only(interface.inputs, "input", *kinds)
        self._output: Feature = only(interface.outputs, "output", *kinds)
        if type(self._input) is not type(self._output):
            raise InvalidModelError("the imputer's output is of another type than its input")
        found = self.parameters.WhichOneof("ReplaceValue")
        if found not in (None, replaced):
            raise InvalidModelError(f"the imputer's {found} does not go with {which}")
        self._replaced = math.nan if found is None else getattr(self.parameters, found)
        self._value = _read(getattr(self.parameters, which), which)
        self._check_value()

    def _check_value(self) -> None:
        feature, value = self._input, self._value
        if isinstance(feature, DictionaryFeature):
            texts = self.parameters.WhichOneof("ImputedValue") == "imputedStringDictionary"
            if (feature.key_type == "string") != texts:
                raise InvalidModelError("the imputer's keys are of another type than the dictionary's")
        if isinstance(feature, ArrayFeature) and isinstance(value, np.ndarray) and feature.shape:
            size = int(np.prod(feature.shape))
            if not feature.flexible and value.size not in (1, size):
                raise InvalidModelError(f"the imputer has {value.size} values for an array of {size}")

    def transform(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The input with its missing values replaced."""
        given = values[self._input.name]
        if given is None:
            made = self._whole()
        elif isinstance(given, dict):
            made = {key: self._entry(key, number) for key, number in given.items()}
        elif isinstance(given, np.ndarray):
            made = self._array(given)
        else:
            made = self._value if self._is_missing(given) else given
        if isinstance(self._output, ScalarFeature) and isinstance(made, np.ndarray):
            made = made.reshape(()).item()
        return {self._output.name: made}

    def _whole(self) -> Any:
        """What stands for an input that is not given at all."""
        feature = self._input
        if isinstance(feature, ArrayFeature) and self._value.size == 1 and not feature.flexible:
            return np.broadcast_to(self._value, feature.shape)
        return self._value

    def _is_missing(self, value: Any) -> bool:
        if isinstance(self._replaced, float) and math.isnan(self._replaced):
            return isinstance(value, float) and math.isnan(value)
        return bool(value == self._replaced)

    def _entry(self, key: str | int, number: float) -> float:
        if not math.isnan(number):
            return number
        if key not in self._value:
            raise InputError(
                f"the model has no value for the missing one of {key!r}", where=f"input {self._input.name!r}"
            )
        return float(self._value[key])

    def _array(self, given: NDArray[Any]) -> NDArray[Any]:
        value = self._value
        if value.size not in (1, given.size):
            raise InputError(
                f"the model takes {value.size} numbers, not {given.size}", where=f"input {self._input.name!r}"
            )
        missing = np.isnan(given) if np.isnan(self._replaced) else given == self._replaced
        return np.where(missing, value if value.size == 1 else value.reshape(given.shape), given)


def _read(stored: Any, which: str) -> Any:
    """The imputed value: a text, a dictionary, or an array of one or several numbers."""
    if which == "imputedStringValue":
        return str(stored)
    if which.endswith("Dictionary"):
        return dict(stored.map)
    numbers = stored.vector if which.endswith("Array") else [stored]
    if not len(numbers):
        raise InvalidModelError("the imputer's array of values is empty")
    return np.array(numbers, dtype=np.int64 if "Int64" in which else np.float64)
