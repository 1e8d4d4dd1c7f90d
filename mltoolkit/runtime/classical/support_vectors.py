"""Support vector machines as LIBSVM has them, C or ν (SVM.proto; Chang and Lin 2011)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import InvalidModelError
from mltoolkit.formats.features import Interface
from mltoolkit.runtime.classical.base import Classifier, Regressor, matrix
from mltoolkit.runtime.classical.kernels import Kernel, support_vectors
from mltoolkit.runtime.classical.pairwise_coupling import couple, pair_probabilities
from mltoolkit.runtime.classical.registry import predicts


@predicts("supportVectorRegressor")
class SupportVectorRegressor(Regressor):
    """sum_i α_i K(x, v_i) - ρ."""

    def __init__(self, spec: Any, interface: Interface) -> None:
        super().__init__(spec, interface)
        self._kernel = Kernel(self.parameters.kernel)
        self._vectors = support_vectors(self.parameters, self.described_length)
        self._alpha = np.array(self.parameters.coefficients.alpha, dtype=np.float64)
        if self._alpha.size != self._vectors.count:
            raise InvalidModelError(
                f"the model has {self._vectors.count} support vectors and {self._alpha.size} coefficients"
            )

    def evaluate(self, values: Mapping[str, Any]) -> NDArray[np.float64]:
        """The predicted value (1,)."""
        vector = self.vector(values)
        self._vectors.check_features(vector.size)
        return np.array([self._alpha @ self._kernel(self._vectors, vector) - self.parameters.rho])


@predicts("supportVectorClassifier")
class SupportVectorClassifier(Classifier):
    """One machine for each pair of classes.

    With ``probA`` and ``probB`` the scores are probabilities: of the one pair where there are two classes,
    else coupled. Without, a score is the share of the pairs' votes that the class gets.
    """

    def __init__(self, spec: Any, interface: Interface) -> None:
        super().__init__(spec, interface)
        self._kernel = Kernel(self.parameters.kernel)
        self._vectors = support_vectors(self.parameters, self.described_length)
        self._first, self._second = np.triu_indices(self._checked_classes(), 1)
        self._alpha = matrix([row.alpha for row in self.parameters.coefficients], "coefficients")
        self._rho = np.array(self.parameters.rho, dtype=np.float64)
        self._slopes = np.array(self.parameters.probA, dtype=np.float64)
        self._intercepts = np.array(self.parameters.probB, dtype=np.float64)
        self._class_of = np.repeat(np.arange(len(self.labels)), self.parameters.numberOfSupportVectorsPerClass)

    def _checked_classes(self) -> int:
        """The number of classes, once everything has as many entries as that makes."""
        machine, classes, vectors = self.parameters, len(self.labels), self._vectors.count
        per_class = machine.numberOfSupportVectorsPerClass
        pairs = classes * (classes - 1) // 2
        if len(per_class) != classes or sum(per_class) != vectors or min(per_class) < 0:
            raise InvalidModelError(
                f"numberOfSupportVectorsPerClass does not share out {vectors} vectors among {classes} classes"
            )
        if classes < 2 or len(machine.coefficients) != classes - 1:
            raise InvalidModelError(
                f"{classes} classes take {classes - 1} rows of coefficients, not {len(machine.coefficients)}"
            )
        for row in machine.coefficients:
            if len(row.alpha) != vectors:
                raise InvalidModelError(f"{vectors} support vectors have {len(row.alpha)} coefficients")
        for name in ("rho", "probA", "probB"):
            entries = len(getattr(machine, name))
            if entries != pairs and (name == "rho" or entries or machine.probA or machine.probB):
                raise InvalidModelError(f"{pairs} pairs of classes have {entries} values of {name}")
        return classes

    def _decisions(self, values: Mapping[str, Any]) -> NDArray[np.float64]:
        """The decision value of each pair (pairs,): positive for its first class."""
        vector = self.vector(values)
        self._vectors.check_features(vector.size)
        terms = self._alpha * self._kernel(self._vectors, vector)
        # sums[r, c]: row r of the coefficients over the support vectors of class c.
        sums = np.stack([np.bincount(self._class_of, weights=row, minlength=len(self.labels)) for row in terms])
        # LIBSVM's sv_coef: the vectors of class i use row j - 1 against a later class j, row j against an
        # earlier one.
        decisions: NDArray[np.float64] = (
            sums[self._second - 1, self._first] + sums[self._first, self._second] - self._rho
        )
        return decisions

    def scores(self, values: Mapping[str, Any]) -> NDArray[np.float64]:
        """Probabilities or shares of votes (classes,)."""
        decisions = self._decisions(values)
        classes = len(self.labels)
        if not self._slopes.size:
            winners = np.where(decisions > 0, self._first, self._second)
            return np.bincount(winners, minlength=classes) / len(decisions)
        first = pair_probabilities(decisions, self._slopes, self._intercepts)
        if classes == 2:
            return np.array([first[0], 1.0 - first[0]])
        pairs = np.zeros((classes, classes))
        pairs[self._first, self._second] = first
        pairs[self._second, self._first] = 1.0 - first
        return couple(pairs)
