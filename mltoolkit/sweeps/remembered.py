"""A model that is compared with many others, and runs once on each input."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.formats.features import Feature, ImageFeature
from mltoolkit.runtime.images import Crop, PreparedImage

if TYPE_CHECKING:
    from mltoolkit.model import Model

Outputs = Mapping[str, NDArray[Any]]


class RememberedModel:
    """Has the members of a model that a comparison uses; remembers outputs as long as there is room for them.

    Args:
        model: the model.
        memory: bytes that remembered outputs may take; what finds no room is computed again.
    """

    def __init__(self, model: Model, memory: int = 256 << 20) -> None:
        self.model = model
        self._room = memory
        self._lock = threading.Lock()
        self._answers: dict[bytes, Future[Outputs]] = {}

    @property
    def inputs(self) -> tuple[Feature, ...]:
        """Input features."""
        return self.model.inputs

    @property
    def outputs(self) -> tuple[Feature, ...]:
        """Output features."""
        return self.model.outputs

    @property
    def class_labels(self) -> tuple[str, ...] | tuple[int, ...] | None:
        """A classifier's labels."""
        return self.model.class_labels

    @property
    def predicted_feature_name(self) -> str | None:
        """The output that holds a classifier's label."""
        return self.model.predicted_feature_name

    @property
    def predicted_probabilities_name(self) -> str | None:
        """The output that holds a classifier's probabilities."""
        return self.model.predicted_probabilities_name

    def prepare_image(self, feature: ImageFeature, image: Any, crop: Crop = "whole") -> PreparedImage:
        """A picture as the model takes it."""
        return self.model.prepare_image(feature, image, crop)

    def predict_raw(self, data: Mapping[str, Any], *, threads: int | None = None) -> Outputs:
        """The model's outputs; two threads that ask for the same wait for one run."""
        key = _key(data)
        if key is None:
            return self.model.predict_raw(data, threads=threads)
        with self._lock:
            answer = self._answers.get(key)
            mine = answer is None
            if answer is None:
                answer = self._answers[key] = Future()
        if mine:
            try:
                outputs = self.model.predict_raw(data, threads=threads)
            except BaseException as error:
                with self._lock:
                    del self._answers[key]
                answer.set_exception(error)
                raise
            with self._lock:
                size = sum(array.nbytes for array in outputs.values())
                if size <= self._room:
                    self._room -= size
                else:
                    del self._answers[key]
            answer.set_result(outputs)
        return answer.result()


def _key(data: Mapping[str, Any]) -> bytes | None:
    """What tells these inputs from others; None for what no model takes, and the model will say so."""
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(data):
        value = data[name]
        array = np.ascontiguousarray(value.array if isinstance(value, PreparedImage) else value)
        if array.dtype.hasobject:
            return None
        digest.update(f"{name} {array.dtype.str} {array.shape}:".encode())
        digest.update(array.tobytes())
    return digest.digest()
