"""Tables that rows are looked up in: products with one-hot inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.calibration.statistics import Columns

Array = NDArray[Any]


@dataclass(frozen=True)
class TableRows:
    """The table of a Gather along axis 0, (V, \\*row): V one-hot inputs, an output for each number of a row."""

    shape: tuple[int, ...]

    @property
    def groups(self) -> int:
        """One product."""
        return 1

    @property
    def inputs(self) -> int:
        """V."""
        return self.shape[0]

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """The shape of a row."""
        return self.shape[1:]

    def matrix(self, weights: Array) -> Array:
        """(1, numbers of a row, V)."""
        return np.ascontiguousarray(weights.reshape(self.inputs, -1).T)[None]

    def weights(self, matrix: Array) -> Array:
        """The inverse of :meth:`matrix`."""
        return np.ascontiguousarray(matrix[0].T).reshape(self.shape)

    def positions(self, arrays: Sequence[Array]) -> int:
        """The number of lookups."""
        return arrays[0].size

    def columns(self, arrays: Sequence[Array], chosen: NDArray[np.intp]) -> Columns:
        """One-hot vectors, (1, V, positions); for small tables."""
        indices = arrays[0].reshape(-1)[chosen]
        columns = np.zeros((1, self.inputs, indices.size), dtype=np.float32)
        columns[0, indices, np.arange(indices.size)] = 1
        return columns
