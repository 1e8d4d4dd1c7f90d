"""Several features as one array: FeatureVectorizer.proto and DictVectorizer.proto."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import InputError, InvalidModelError, did_you_mean
from mltoolkit.formats.features import ArrayFeature, DictionaryFeature, Feature, Interface, ScalarFeature
from mltoolkit.formats.size_limits import MAX_ELEMENTS
from mltoolkit.runtime.classical.base import Transformer, only
from mltoolkit.runtime.classical.places import places
from mltoolkit.runtime.classical.registry import predicts


@predicts("featureVectorizer")
class FeatureVectorizer(Transformer):
    """Numbers, arrays and dictionaries place → number, one after the other in the order of ``inputList``."""

    def __init__(self, spec: Any, interface: Interface) -> None:
        super().__init__(spec, interface)
        self._output = only(interface.outputs, "output", ArrayFeature)
        described = {feature.name: feature for feature in interface.inputs}
        self._columns: list[tuple[Feature, int]] = []
        for column in self.parameters.inputList:
            feature = described.get(column.inputColumn)
            if feature is None:
                raise InvalidModelError(
                    f"the vectorizer's column {column.inputColumn!r} is no input",
                    fix=did_you_mean(column.inputColumn, described),
                )
            self._columns.append((feature, _checked_size(feature, int(column.inputDimensions))))
        total = sum(size for _, size in self._columns)
        if not 0 < total <= MAX_ELEMENTS:
            raise InvalidModelError(f"the vectorizer makes {total:,} numbers; the limit here is {MAX_ELEMENTS:,}")
        shape = self._output.shape
        if shape and not self._output.flexible and np.prod(shape) != total:
            raise InvalidModelError(f"the vectorizer makes {total} numbers, its description has the shape {shape}")

    def transform(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The array (features,)."""
        parts = [_part(feature, size, values[feature.name]) for feature, size in self._columns]
        return {self._output.name: np.concatenate(parts)}


def _checked_size(feature: Feature, size: int) -> int:
    where = f"input {feature.name!r}"
    if isinstance(feature, DictionaryFeature):
        if feature.key_type != "int64":
            raise InvalidModelError("the vectorizer needs integers as the dictionary's keys", where=where)
        if not 0 < size <= MAX_ELEMENTS:
            raise InvalidModelError(f"the vectorizer gives the dictionary {size:,} places", where=where)
        return size
    if isinstance(feature, ScalarFeature):
        held = 1
    elif isinstance(feature, ArrayFeature):
        held = size if feature.flexible or not feature.shape else int(np.prod(feature.shape))
    else:
        raise InvalidModelError("the vectorizer takes numbers, arrays and dictionaries", where=where)
    if size != held:
        raise InvalidModelError(f"the vectorizer expects {size} numbers, the description {held}", where=where)
    return size


def _part(feature: Feature, size: int, value: Any) -> NDArray[np.float64]:
    where = f"input {feature.name!r}"
    if value is None:
        raise InputError("no value is given", where=where, fix="Add it to the dictionary")
    if not isinstance(value, dict):
        part = np.asarray(value, dtype=np.float64).reshape(-1)
        if part.size != size:
            raise InputError(f"the model takes {size} numbers, not {part.size}", where=where)
        return part
    made = np.zeros(size)
    for place, number in value.items():
        if not 0 <= place < size:
            raise InputError(f"the key {place} is no place among {size}", where=where)
        made[place] = number
    return made


@predicts("dictVectorizer")
class DictVectorizer(Transformer):
    """A dictionary's numbers at the places of their keys; keys without a place are left out.

    The output is the array, or sparse the dictionary place → number, as described.
    """

    def __init__(self, spec: Any, interface: Interface) -> None:
        super().__init__(spec, interface)
        self._input = only(interface.inputs, "input", DictionaryFeature)
        which = self.parameters.WhichOneof("Map")
        self._places = places(list(getattr(self.parameters, which).vector) if which else [], "keys")
        # The model's keys decide: coremltools describes texts as keys even where they are integers.
        key_type = "string" if which == "stringToIndex" else "int64"
        self.interface = dataclasses.replace(interface, inputs=(dataclasses.replace(self._input, key_type=key_type),))
        self._output: Feature = only(interface.outputs, "output", ArrayFeature, DictionaryFeature)
        if isinstance(self._output, DictionaryFeature) and self._output.key_type != "int64":
            raise InvalidModelError(
                "the dictionary's keys are places, so integers", where=f"output {self._output.name!r}"
            )

    def transform(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The array (keys,) or the dictionary."""
        given = values[self._input.name] or {}
        sparse = {self._places[key]: number for key, number in given.items() if key in self._places}
        if isinstance(self._output, DictionaryFeature):
            return {self._output.name: sparse}
        made = np.zeros(len(self._places))
        for place, number in sparse.items():
            made[place] = number
        return {self._output.name: made}
