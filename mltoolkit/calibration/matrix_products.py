"""Matrix products with a constant: a position is one vector that the matrix is multiplied with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.calibration.statistics import Columns

Array = NDArray[Any]
_Indices = NDArray[np.intp]


@dataclass(frozen=True)
class RightMatrix:
    """x · W: W is (\\*batch, K, N), or (\\*batch, N, K) with ``transposed``; every batch entry is a group of its own.

    Attributes:
        shape: W's.
        transposed: W's last two axes are exchanged (a Gemm's transB).
        swapped_input: so are those of x (a Gemm's transA).
    """

    shape: tuple[int, ...]
    transposed: bool = False
    swapped_input: bool = False

    @property
    def groups(self) -> int:
        """Products side by side."""
        return math.prod(self.shape[:-2])

    @property
    def inputs(self) -> int:
        """K."""
        if len(self.shape) == 1:
            return self.shape[0]
        return self.shape[-1 if self.transposed else -2]

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """A bias of this shape can be added to the result."""
        if len(self.shape) == 1:
            return ()
        outputs = self.shape[-2 if self.transposed else -1]
        return (*self.shape[:-2], 1, outputs) if self.groups > 1 else (outputs,)

    def matrix(self, weights: Array) -> Array:
        """(groups, N, K)."""
        if len(self.shape) == 1:
            return weights.reshape(1, 1, self.shape[0])
        stacked = weights.reshape(self.groups, *self.shape[-2:])
        return stacked if self.transposed else np.ascontiguousarray(stacked.swapaxes(1, 2))

    def weights(self, matrix: Array) -> Array:
        """The inverse of :meth:`matrix`."""
        if len(self.shape) > 1 and not self.transposed:
            matrix = np.ascontiguousarray(matrix.swapaxes(1, 2))
        return matrix.reshape(self.shape)

    def positions(self, arrays: Sequence[Array]) -> int:
        """The vectors of a group."""
        return math.prod(self._vectors(arrays[0]).shape[1:-1])

    def columns(self, arrays: Sequence[Array], chosen: _Indices) -> Columns:
        """The vectors at the chosen positions, (groups, K, positions)."""
        vectors = self._vectors(arrays[0])
        rows = vectors.reshape(vectors.shape[0], -1, self.inputs)[:, chosen]
        rows = np.broadcast_to(rows, (self.groups, *rows.shape[1:]))
        return np.ascontiguousarray(rows.swapaxes(1, 2))

    def _vectors(self, x: Array) -> Array:
        """(groups, …, K), or (1, …, K) where W is one matrix."""
        if self.swapped_input:
            x = x.swapaxes(-1, -2)
        batch = self.shape[:-2]
        if self.groups == 1:
            return x[None]
        # Axes that W has a matrix for each entry of are groups; those that it is broadcast along are positions.
        leading = np.broadcast_shapes(x.shape[:-2], batch)
        x = np.broadcast_to(x, (*leading, *x.shape[-2:]))
        added = len(leading) - len(batch)
        own = [added + axis for axis, size in enumerate(batch) if size != 1]
        rest = [axis for axis in range(x.ndim) if axis not in own]
        ordered = x.transpose(*own, *rest)
        return ordered.reshape(self.groups, *ordered.shape[len(own) :])


@dataclass(frozen=True)
class LeftMatrix:
    """W · x: W is (M, K); the vectors are the columns of x, (…, K, N)."""

    shape: tuple[int, int]

    @property
    def groups(self) -> int:
        """Products side by side."""
        return 1

    @property
    def inputs(self) -> int:
        """K."""
        return self.shape[1]

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """A bias of this shape can be added to the result."""
        return (self.shape[0], 1)

    def matrix(self, weights: Array) -> Array:
        """(1, M, K)."""
        return weights.reshape(1, *self.shape)

    def weights(self, matrix: Array) -> Array:
        """The inverse of :meth:`matrix`."""
        return matrix.reshape(self.shape)

    def positions(self, arrays: Sequence[Array]) -> int:
        """The columns."""
        return arrays[0].size // self.inputs

    def columns(self, arrays: Sequence[Array], chosen: _Indices) -> Columns:
        """The vectors at the chosen positions, (1, K, positions)."""
        x = arrays[0]
        vectors = x.reshape(1, -1) if x.ndim == 1 else x.swapaxes(-1, -2).reshape(-1, self.inputs)
        return np.ascontiguousarray(vectors[chosen].T)[None]


@dataclass(frozen=True)
class Permuted:
    """A right matrix that the graph transposes before it multiplies.

    Attributes:
        product: of the transposed constant.
        order: which axis of the constant becomes its first, second, …
    """

    product: RightMatrix
    order: tuple[int, ...]

    @property
    def groups(self) -> int:
        """Products side by side."""
        return self.product.groups

    @property
    def inputs(self) -> int:
        """Inputs of each."""
        return self.product.inputs

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """A bias of this shape can be added to the result."""
        return self.product.bias_shape

    def matrix(self, weights: Array) -> Array:
        """(groups, outputs, inputs)."""
        return self.product.matrix(np.ascontiguousarray(weights.transpose(self.order)))

    def weights(self, matrix: Array) -> Array:
        """The inverse of :meth:`matrix`."""
        return np.ascontiguousarray(self.product.weights(matrix).transpose(np.argsort(self.order)))

    def positions(self, arrays: Sequence[Array]) -> int:
        """The vectors of a group."""
        return self.product.positions(arrays)

    def columns(self, arrays: Sequence[Array], chosen: _Indices) -> Columns:
        """The vectors at the chosen positions, (groups, inputs, positions)."""
        return self.product.columns(arrays, chosen)
