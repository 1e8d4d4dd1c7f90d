"""The one-hot encoder (OneHotEncoder.proto)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mltoolkit.errors import InputError, InvalidModelError, did_you_mean
from mltoolkit.formats.features import (
    ArrayFeature,
    DictionaryFeature,
    Interface,
    ScalarFeature,
    StringFeature,
)
from mltoolkit.runtime.classical.base import Transformer, only
from mltoolkit.runtime.classical.places import places
from mltoolkit.runtime.classical.registry import predicts

# OneHotEncoder.HandleUnknown
_ERROR, _IGNORE = 0, 1


@predicts("oneHotEncoder")
class OneHotEncoder(Transformer):
    """A category as an array of zeros with a one at its place, or sparse as the dictionary place → 1.

    An unknown category makes zeros (an empty dictionary), or is an error.
    """

    def __init__(self, spec: Any, interface: Interface) -> None:
        super().__init__(spec, interface)
        which = self.parameters.WhichOneof("CategoryType")
        self._places = places(list(getattr(self.parameters, which).vector) if which else [], "categories")
        texts = which == "stringCategories"
        self._input = only(interface.inputs, "input", StringFeature if texts else ScalarFeature)
        self._sparse = bool(self.parameters.outputSparse)
        self._output = only(interface.outputs, "output", DictionaryFeature if self._sparse else ArrayFeature)
        if self.parameters.handleUnknown not in (_ERROR, _IGNORE):
            raise InvalidModelError("what to do with unknown categories is not known")

    def transform(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The array (categories,) or the dictionary."""
        category = values[self._input.name]
        place = self._places.get(category)
        if place is None and self.parameters.handleUnknown == _ERROR:
            raise InputError(
                f"the model does not know the category {category!r}",
                where=f"input {self._input.name!r}",
                fix=did_you_mean(str(category), map(str, self._places)),
            )
        if self._sparse:
            return {self._output.name: {} if place is None else {place: 1.0}}
        made = np.zeros(len(self._places))
        if place is not None:
            made[place] = 1.0
        return {self._output.name: made}
