"""Generalized linear models (GLMRegressor.proto, GLMClassifier.proto)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import InvalidModelError
from mltoolkit.formats.features import Interface
from mltoolkit.runtime.classical.base import Classifier, Regressor, matrix
from mltoolkit.runtime.classical.links import log_logistic, logistic, normal_cdf, softmax
from mltoolkit.runtime.classical.registry import predicts

# GLMRegressor.PostEvaluationTransform
_REGRESSOR_LINKS: dict[int, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    0: np.asarray,
    1: logistic,
    2: normal_cdf,
}
# GLMClassifier.PostEvaluationTransform
_LOGIT, _PROBIT = 0, 1
# GLMClassifier.ClassEncoding
_REFERENCE_CLASS, _ONE_VS_REST = 0, 1


class _Linear:
    """x → W x + b, one row of W for each score."""

    def __init__(self, parameters: Any) -> None:
        self.weights = matrix([row.value for row in parameters.weights], "rows of weights")
        self.offsets = np.array(parameters.offset, dtype=np.float64)
        rows, columns = self.weights.shape
        if columns == 0 or self.offsets.size != rows:
            raise InvalidModelError(f"the model has {rows} rows of {columns} weights and {self.offsets.size} offsets")
        self.features = columns

    def __call__(self, vector: NDArray[np.float64]) -> NDArray[np.float64]:
        made: NDArray[np.float64] = self.weights @ vector + self.offsets
        return made


@predicts("glmRegressor")
class LinearRegressor(Regressor):
    """Linear, logit or probit regression of one or several targets."""

    def __init__(self, spec: Any, interface: Interface) -> None:
        super().__init__(spec, interface)
        self._linear = _Linear(self.parameters)
        self.check_length(self._linear.features)
        self.check_targets(len(self._linear.weights))
        link = self.parameters.postEvaluationTransform
        if link not in _REGRESSOR_LINKS:
            raise InvalidModelError(f"the post evaluation transform {link} is not known")
        self._link = _REGRESSOR_LINKS[link]

    def evaluate(self, values: Mapping[str, Any]) -> NDArray[np.float64]:
        """The predicted values (targets,)."""
        made: NDArray[np.float64] = self._link(self._linear(self.checked_vector(values, self._linear.features)))
        return made


@predicts("glmClassifier")
class LinearClassifier(Classifier):
    """Logistic or probit classification.

    Two classes have one row of weights, the score of the second class. More classes have the logit only: with
    ``ReferenceClass`` the first class has the fixed score 0 and the probabilities are the softmax of all;
    with ``OneVsRest`` each class has its own logistic probability, and these are divided by their sum.
    """

    def __init__(self, spec: Any, interface: Interface) -> None:
        super().__init__(spec, interface)
        self._linear = _Linear(self.parameters)
        self.check_length(self._linear.features)
        self._probit = self.parameters.postEvaluationTransform == _PROBIT
        self._reference = self.parameters.classEncoding == _REFERENCE_CLASS
        self._check_choices()

    def _check_choices(self) -> None:
        classes, rows = len(self.labels), len(self._linear.weights)
        if self.parameters.postEvaluationTransform not in (_LOGIT, _PROBIT):
            raise InvalidModelError("the post evaluation transform is not known")
        if self.parameters.classEncoding not in (_REFERENCE_CLASS, _ONE_VS_REST):
            raise InvalidModelError("the class encoding is not known")
        needed = classes - 1 if self._reference or classes == 2 else classes
        if rows != needed:
            raise InvalidModelError(f"{classes} classes take {needed} rows of weights, not {rows}")
        if self._probit and rows != 1:
            raise InvalidModelError("the probit is defined for two classes only")

    def scores(self, values: Mapping[str, Any]) -> NDArray[np.float64]:
        """The probabilities (classes,)."""
        linear = self._linear(self.checked_vector(values, self._linear.features))
        if linear.size == 1 and len(self.labels) == 2:
            second = normal_cdf(linear) if self._probit else logistic(linear)
            return np.concatenate([1.0 - second, second])
        if self._reference:
            return softmax(np.concatenate([[0.0], linear]))
        # The softmax of logarithms divides by the sum, also where every probability underflows.
        return softmax(log_logistic(linear))
