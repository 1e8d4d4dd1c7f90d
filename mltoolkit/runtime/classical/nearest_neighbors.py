"""The k-nearest-neighbour classifier (NearestNeighbors.proto)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import InvalidModelError
from mltoolkit.formats.features import Interface
from mltoolkit.runtime.classical.base import Classifier
from mltoolkit.runtime.classical.registry import predicts

# Numbers compared at a time, so that memory does not grow with the number of points.
_BLOCK = 1 << 20


@predicts("kNearestNeighborsClassifier")
class NearestNeighbors(Classifier):
    """The share of each label among the k stored points nearest to the input.

    The distance is the squared Euclidean one, the only one of the format, found exactly whatever the index.
    Of points equally far, the first in the file is nearer. With inverse-distance weighting a neighbour
    counts 1 / distance, and points at distance 0 leave nothing to others. A classifier without points
    answers its default label.
    """

    def __init__(self, spec: Any, interface: Interface) -> None:
        super().__init__(spec, interface)
        index = self.parameters.nearestNeighborsIndex
        if index.WhichOneof("DistanceFunction") is None:
            raise InvalidModelError("the nearest neighbours have no distance function")
        weighting = self.parameters.WhichOneof("WeightingScheme")
        if weighting is None:
            raise InvalidModelError("the nearest neighbours have no weighting scheme")
        self._by_distance = weighting == "inverseDistanceWeighting"
        self._dimensions = int(index.numberOfDimensions)
        self.check_length(self._dimensions)
        self._neighbors = _neighbors(self.parameters.numberOfNeighbors)
        self._points = self._read_points(index)
        self._classes = self._read_classes()

    def _read_points(self, index: Any) -> NDArray[np.float32]:
        samples = index.floatSamples
        for place, sample in enumerate(samples):
            if len(sample.vector) != self._dimensions:
                raise InvalidModelError(f"point {place} has {len(sample.vector)} dimensions, not {self._dimensions}")
        points = np.empty((len(samples), self._dimensions if len(samples) else 0), dtype=np.float32)
        for place, sample in enumerate(samples):
            points[place] = sample.vector
        return points

    def _read_classes(self) -> NDArray[np.int64]:
        which = self.parameters.WhichOneof("ClassLabels")
        stored = [] if which is None else list(getattr(self.parameters, which).vector)
        if len(stored) != len(self._points):
            raise InvalidModelError(f"{len(self._points)} points have {len(stored)} labels")
        place = {label: number for number, label in enumerate(self.labels)}
        return np.array([place[label] for label in stored], dtype=np.int64)

    def _distances(self, vector: NDArray[np.float64]) -> NDArray[np.float64]:
        made = np.empty(len(self._points))
        step = max(1, _BLOCK // max(1, self._dimensions))
        for start in range(0, len(self._points), step):
            apart = self._points[start : start + step] - vector
            made[start : start + step] = np.einsum("ij,ij->i", apart, apart)
        return made

    def scores(self, values: Mapping[str, Any]) -> NDArray[np.float64]:
        """The shares (classes,)."""
        vector = self.checked_vector(values, self._dimensions)
        if not len(self._points):
            return np.ones(1)
        distances = self._distances(vector)
        nearest = np.argsort(distances, kind="stable")[: self._neighbors]
        weights = np.ones(len(nearest))
        if self._by_distance:
            near = distances[nearest]
            same = near == 0
            # Relative to the smallest distance, so that no quotient overflows.
            weights = same.astype(np.float64) if same.any() else near[0] / near
        votes = np.bincount(self._classes[nearest], weights=weights, minlength=len(self.labels))
        share: NDArray[np.float64] = votes / votes.sum()
        return share


def _neighbors(parameter: Any) -> int:
    """k: the default value of an ``Int64Parameter``, within what it allows."""
    number = int(parameter.defaultValue)
    allowed = parameter.WhichOneof("AllowedValues")
    fits = number >= 1
    if allowed == "range":
        fits = fits and parameter.range.minValue <= number <= parameter.range.maxValue
    elif allowed == "set":
        fits = fits and number in parameter.set.values
    if not fits:
        raise InvalidModelError(f"the number of neighbours {number} is none that the model allows")
    return number
