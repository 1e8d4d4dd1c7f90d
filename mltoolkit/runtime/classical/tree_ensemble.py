"""Tree ensembles: decision trees, random forests and boosted trees (TreeEnsemble.proto)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import InputError, InvalidModelError, UnsupportedModelError
from mltoolkit.formats.features import Interface
from mltoolkit.runtime.classical.base import Classifier, Regressor, VectorModel
from mltoolkit.runtime.classical.links import logistic, softmax
from mltoolkit.runtime.classical.registry import predicts
from mltoolkit.runtime.classical.trees import Trees

Floats = NDArray[np.float64]

# TreeEnsemblePostEvaluationTransform
_NONE, _SOFTMAX, _LOGISTIC, _SOFTMAX_WITH_ZERO = range(4)


class _Ensemble(VectorModel):
    """Trees over the inputs; an optional number that is not given is a missing value."""

    missing = float("nan")

    def __init__(self, spec: Any, interface: Interface) -> None:
        super().__init__(spec, interface)
        self._trees = Trees(self.parameters.treeEnsemble)
        described = self.described_length
        if described is not None and self._trees.features > described:
            raise InvalidModelError(
                f"a branch looks at the feature {self._trees.features - 1}, the description's inputs hold {described}"
            )
        self._transform = self.parameters.postEvaluationTransform
        if self._transform not in range(4):
            raise InvalidModelError(f"the post evaluation transform {self._transform} is not known")

    def _sums(self, values: Mapping[str, Any]) -> Floats:
        vector = self.vector(values)
        if vector.size < self._trees.features:
            raise InputError(f"the model takes at least {self._trees.features} numbers, the inputs hold {vector.size}")
        return self._trees(vector)


@predicts("treeEnsembleRegressor")
class TreeEnsembleRegressor(_Ensemble, Regressor):
    """The sum of the trees' values for each target, transformed."""

    def __init__(self, spec: Any, interface: Interface) -> None:
        super().__init__(spec, interface)
        self.check_targets(self._trees.dimensions)

    def evaluate(self, values: Mapping[str, Any]) -> Floats:
        """The predicted values (targets,)."""
        sums = self._sums(values)
        if self._transform == _NONE:
            return sums
        if self._transform == _LOGISTIC:
            return logistic(sums)
        return softmax(sums if self._transform == _SOFTMAX else np.concatenate([[0.0], sums]))[-sums.size :]


@predicts("treeEnsembleClassifier")
class TreeEnsembleClassifier(_Ensemble, Classifier):
    """A score for each class, or for the second of two classes; transformed, a probability."""

    def __init__(self, spec: Any, interface: Interface) -> None:
        super().__init__(spec, interface)
        classes, dimensions = len(self.labels), self._trees.dimensions
        fits = (classes == 2) if dimensions == 1 else (classes == dimensions)
        if not fits:
            raise InvalidModelError(f"the tree ensemble has {dimensions} dimensions for {classes} classes")
        if (self._transform == _SOFTMAX and dimensions == 1) or (
            self._transform == _SOFTMAX_WITH_ZERO and dimensions > 1
        ):
            # Which of the scores the fixed 0 replaces, or what stands beside the one score, no document says.
            raise UnsupportedModelError(
                f"the format does not define this softmax for {classes} classes from {dimensions} values"
            )

    def scores(self, values: Mapping[str, Any]) -> Floats:
        """Scores or probabilities (classes,)."""
        sums = self._sums(values)
        if sums.size == 1:
            # The softmax of 0 and the score is the logistic function of the score.
            second = sums if self._transform == _NONE else logistic(sums)
            return np.concatenate([1.0 - second, second])
        if self._transform == _SOFTMAX:
            return softmax(sums)
        return logistic(sums) if self._transform == _LOGISTIC else sums
