"""The normalizer (Normalizer.proto)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import InputError, InvalidModelError
from mltoolkit.formats.features import ArrayFeature, Interface
from mltoolkit.runtime.classical.base import Transformer, only
from mltoolkit.runtime.classical.registry import predicts


@predicts("normalizer")
class Normalizer(Transformer):
    """An array divided by its largest value, its L1 or its L2 norm; as it is where that is 0."""

    def __init__(self, spec: Any, interface: Interface) -> None:
        super().__init__(spec, interface)
        self._input = only(interface.inputs, "input", ArrayFeature)
        self._output = only(interface.outputs, "output", ArrayFeature)
        if self.parameters.normType not in range(3):
            raise InvalidModelError(f"the norm {self.parameters.normType} is not known")

    def transform(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The array, of the input's shape."""
        given = values[self._input.name]
        if given is None:
            raise InputError("no value is given", where=f"input {self._input.name!r}", fix="Add it to the dictionary")
        numbers = np.asarray(given, dtype=np.float64)
        norm = self._norm(numbers)
        return {self._output.name: numbers / norm if norm else numbers}

    def _norm(self, numbers: NDArray[np.float64]) -> float:
        # Normalizer.NormType: 0 max(x), of the values and not of their magnitudes, 1 sum |x|, 2 sqrt(sum x²).
        if self.parameters.normType == 0:
            return float(numbers.max())
        if self.parameters.normType == 1:
            return float(np.abs(numbers).sum())
        return float(np.linalg.norm(numbers.reshape(-1)))
