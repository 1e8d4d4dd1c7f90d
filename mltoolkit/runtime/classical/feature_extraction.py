"""The array feature extractor (ArrayFeatureExtractor.proto)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mltoolkit.errors import InputError, InvalidModelError
from mltoolkit.formats.features import ArrayFeature, Feature, Interface, ScalarFeature
from mltoolkit.runtime.classical.base import Transformer, only
from mltoolkit.runtime.classical.registry import predicts


@predicts("arrayFeatureExtractor")
class ArrayFeatureExtractor(Transformer):
    """The values at some places of an array, counted from 0 over all of it: one number, or an array."""

    def __init__(self, spec: Any, interface: Interface) -> None:
        super().__init__(spec, interface)
        self._input = only(interface.inputs, "input", ArrayFeature)
        self._output: Feature = only(interface.outputs, "output", ScalarFeature, ArrayFeature)
        places = list(self.parameters.extractIndex)
        if not places or (isinstance(self._output, ScalarFeature) and len(places) != 1):
            raise InvalidModelError(
                f"the extractor takes {len(places)} values out of the array",
                where=f"output {self._output.name!r}",
            )
        open_size = self._input.flexible or not self._input.shape
        self._needed = max(places) + 1
        if self._needed > (1 << 31 if open_size else int(np.prod(self._input.shape))):
            raise InvalidModelError(
                f"the extractor wants the value at {self._needed - 1} of an array {self._input.shape}"
            )
        self._places = np.array(places, dtype=np.int64)

    def transform(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The number, or the array (places,)."""
        given = values[self._input.name]
        numbers = np.asarray([] if given is None else given).reshape(-1)
        if numbers.size < self._needed:
            raise InputError(
                f"the model takes at least {self._needed} numbers, not {numbers.size}",
                where=f"input {self._input.name!r}",
            )
        return {self._output.name: numbers[self._places]}
