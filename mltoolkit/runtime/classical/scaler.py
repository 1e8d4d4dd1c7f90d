"""The scaler (Scaler.proto)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import InputError, InvalidModelError, PredictionError
from mltoolkit.formats.features import ArrayFeature, Feature, Interface, ScalarFeature
from mltoolkit.runtime.classical.base import Transformer, only
from mltoolkit.runtime.classical.registry import predicts


@predicts("scaler")
class Scaler(Transformer):
    """scale · (x + shift), with one shift and scale for all or one each; 0 and 1 where there are none."""

    def __init__(self, spec: Any, interface: Interface) -> None:
        super().__init__(spec, interface)
        self._input: Feature = only(interface.inputs, "input", ScalarFeature, ArrayFeature)
        self._output: Feature = only(interface.outputs, "output", ScalarFeature, ArrayFeature)
        self._shift = _factors(self.parameters.shiftValue, 0.0)
        self._scale = _factors(self.parameters.scaleValue, 1.0)
        if isinstance(self._input, ArrayFeature):
            open_size = self._input.flexible or not self._input.shape
            size = None if open_size else int(np.prod(self._input.shape))
        else:
            size = 1
        for factors, name in ((self._shift, "shifts"), (self._scale, "scales")):
            if factors.size != 1 and size is not None and factors.size != size:
                raise InvalidModelError(f"the scaler has {factors.size} {name} for {size} numbers")
        if self._shift.size != 1 and self._scale.size not in (1, self._shift.size):
            raise InvalidModelError(f"the scaler has {self._shift.size} shifts and {self._scale.size} scales")

    def transform(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The scaled number or array, of the input's shape."""
        given = values[self._input.name]
        where = f"input {self._input.name!r}"
        if given is None:
            raise InputError("no value is given", where=where, fix="Add it to the dictionary")
        numbers = np.asarray(given, dtype=np.float64)
        needed = max(self._shift.size, self._scale.size)
        if needed not in (1, numbers.size):
            raise InputError(f"the model takes {needed} numbers, not {numbers.size}", where=where)
        made = (self._scale * (numbers.reshape(-1) + self._shift)).reshape(numbers.shape)
        if getattr(self._output, "dtype", "").startswith("int") and np.any(made != np.rint(made)):
            # Scaler.proto: "If that cast is lossy, then an error is generated."
            raise PredictionError(
                "the scaled value is no integer, which the description wants",
                where=f"output {self._output.name!r}",
            )
        return {self._output.name: made}


def _factors(stored: Any, default: float) -> NDArray[np.float64]:
    return np.array(stored if len(stored) else [default], dtype=np.float64)
