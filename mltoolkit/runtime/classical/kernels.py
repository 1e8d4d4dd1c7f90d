"""Kernels of support vector machines over dense or sparse support vectors (SVM.proto)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import InputError, InvalidModelError
from mltoolkit.runtime.classical.base import matrix

Floats = NDArray[np.float64]


class SupportVectors(ABC):
    """The points that a machine keeps."""

    count: int

    @abstractmethod
    def products(self, vector: Floats) -> Floats:
        """The inner product of each with the vector (vectors,)."""

    @abstractmethod
    def distances(self, vector: Floats) -> Floats:
        """The squared Euclidean distance of each to the vector (vectors,)."""

    @abstractmethod
    def check_features(self, length: int) -> None:
        """Refuse inputs of a length that does not fit them."""


class DenseVectors(SupportVectors):
    """Rows of a matrix."""

    def __init__(self, message: Any) -> None:
        self._rows = matrix([row.values for row in message.vectors], "support vectors")
        self.count = len(self._rows)

    @property
    def length(self) -> int:
        """How many features each has."""
        return int(self._rows.shape[1])

    def products(self, vector: Floats) -> Floats:
        """The inner product of each with the vector (vectors,)."""
        made: Floats = self._rows @ vector
        return made

    def distances(self, vector: Floats) -> Floats:
        """The squared Euclidean distance of each to the vector (vectors,)."""
        apart = self._rows - vector
        made: Floats = np.einsum("ij,ij->i", apart, apart)
        return made

    def check_features(self, length: int) -> None:
        """Refuse inputs of another length."""
        if length != self.length:
            raise InputError(f"the model takes {self.length} numbers, the inputs hold {length}")


class SparseVectors(SupportVectors):
    """Index and value of what is not zero; the indices count from 1, as LIBSVM's do."""

    def __init__(self, message: Any) -> None:
        lengths = [len(vector.nodes) for vector in message.vectors]
        self.count = len(lengths)
        if not self.count:
            raise InvalidModelError("the model has no support vectors")
        nodes = [node for vector in message.vectors for node in vector.nodes]
        self._owner = np.repeat(np.arange(self.count), lengths)
        self._index = np.array([node.index for node in nodes], dtype=np.int64) - 1
        self._value = np.array([node.value for node in nodes], dtype=np.float64)
        if self._index.size and self._index.min() < 0:
            raise InvalidModelError("a sparse support vector has the index 0; they count from 1")
        self.needed = int(self._index.max()) + 1 if self._index.size else 0

    def _sum(self, terms: Floats) -> Floats:
        made: Floats = np.bincount(self._owner, weights=terms, minlength=self.count).astype(np.float64)
        return made

    def products(self, vector: Floats) -> Floats:
        """The inner product of each with the vector (vectors,)."""
        return self._sum(self._value * vector[self._index])

    def distances(self, vector: Floats) -> Floats:
        """The squared Euclidean distance of each to the vector (vectors,)."""
        at = vector[self._index]
        # What a support vector leaves out is 0 there, and adds the vector's own square.
        made: Floats = np.dot(vector, vector) + self._sum((at - self._value) ** 2 - at**2)
        return np.maximum(made, 0.0)

    def check_features(self, length: int) -> None:
        """Refuse inputs too short for the indices."""
        if length < self.needed:
            raise InputError(f"the model takes at least {self.needed} numbers, the inputs hold {length}")


def support_vectors(machine: Any, described: int | None) -> SupportVectors:
    """The support vectors of a machine.

    Args:
        machine: a ``SupportVectorRegressor`` or ``SupportVectorClassifier`` message.
        described: how many numbers the description's inputs hold; None where it leaves it open.

    Raises:
        InvalidModelError: there are none, or they do not fit each other or the description.
    """
    which = machine.WhichOneof("supportVectors")
    if which is None:
        raise InvalidModelError("the model has no support vectors")
    made: SupportVectors
    made = (
        DenseVectors(machine.denseSupportVectors)
        if which == "denseSupportVectors"
        else SparseVectors(machine.sparseSupportVectors)
    )
    if described is not None:
        try:
            made.check_features(described)
        except InputError as error:
            raise InvalidModelError(f"{error.what} that the description has") from error
    return made


class Kernel:
    """K(x, v) for every support vector v.

    - linear: x·v
    - RBF: exp(-γ |x - v|²)
    - polynomial: (γ x·v + c)^degree
    - sigmoid: tanh(γ x·v + c)
    """

    def __init__(self, message: Any) -> None:
        kind = message.WhichOneof("kernel")
        if kind is None:
            raise InvalidModelError("the support vector machine has no kernel")
        self._kind = kind
        self._parameters = getattr(message, kind)
        if kind != "linearKernel" and not self._parameters.gamma >= 0:
            raise InvalidModelError(f"the kernel's gamma {self._parameters.gamma} is negative")
        if kind == "polyKernel" and self._parameters.degree < 0:
            raise InvalidModelError(f"the kernel's degree {self._parameters.degree} is negative")

    def __call__(self, vectors: SupportVectors, vector: Floats) -> Floats:
        """The kernel of the vector with each support vector (vectors,)."""
        made: Floats
        if self._kind == "rbfKernel":
            made = np.exp(-self._parameters.gamma * vectors.distances(vector))
            return made
        products = vectors.products(vector)
        if self._kind == "linearKernel":
            return products
        shifted = self._parameters.gamma * products + self._parameters.c
        made = np.tanh(shifted) if self._kind == "sigmoidKernel" else shifted**self._parameters.degree
        return made
