"""What a model keeps from one prediction to the next."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import InputError, did_you_mean
from mltoolkit.formats.features import ArrayFeature


class ModelState:
    """The contents of a model's states: zeros at first, then what the last prediction left.

    Made by ``Model.make_state()`` and given to ``predict``; the methods have the names that coremltools
    gives them.

    Args:
        features: the described states.
    """

    def __init__(self, features: Sequence[ArrayFeature]) -> None:
        self._features = {feature.name: feature for feature in features}
        self._arrays: dict[str, NDArray[Any]] = {
            feature.name: np.zeros(feature.shape, dtype=feature.dtype) for feature in features
        }
        # Predictions that share a state come one after the other.
        self.lock = threading.Lock()

    @property
    def names(self) -> tuple[str, ...]:
        """The states."""
        return tuple(self._features)

    def read_state(self, name: str) -> NDArray[Any]:
        """A copy of a state's content, in its described type.

        Raises:
            InputError: there is no such state.
        """
        self._check(name)
        return self._arrays[name].copy()

    def write_state(self, name: str, value: Any) -> None:
        """Replace a state's content.

        Raises:
            InputError: there is no such state, or the value has another shape.
        """
        self._check(name)
        feature, array = self._features[name], np.asarray(value)
        if array.shape != feature.shape or array.dtype.kind not in "fiub":
            raise InputError(
                f"the state takes numbers of shape {feature.shape}, not {array.dtype} of shape {array.shape}",
                where=f"state {name!r}",
            )
        self._arrays[name] = array.astype(feature.dtype)

    def _check(self, name: str) -> None:
        if name not in self._features:
            raise InputError(f"the model has no state {name!r}", fix=did_you_mean(str(name), self._features))
