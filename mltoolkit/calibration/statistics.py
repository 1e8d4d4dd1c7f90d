"""What the inputs of a layer's weights look like over the calibration data, in the float network and in another.

A position is one set of inputs that the weights are multiplied with: a window of a convolution, a row of a matrix.
With x the inputs at a position in the float network, x̂ those at the same position of the same sample in the network
quantized so far, and E the mean over all positions taken: H = E[x̂ x̂ᵀ], C = E[x x̂ᵀ], R = E[x xᵀ], E[x] and E[x̂].
Products are float32 over a thousand positions at a time, their sums float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Columns = NDArray[np.float32]
Moments = NDArray[np.float64]


@dataclass(frozen=True)
class Sums:
    """Sums over some positions.

    Attributes:
        count: how many positions.
        products: Σ x̂ x̂ᵀ, float32 (groups, inputs, inputs).
        crosses: Σ x x̂ᵀ, likewise.
        own: Σ x xᵀ, likewise.
        totals: Σ x, (groups, inputs).
        totals_hat: Σ x̂, likewise.
    """

    count: int
    products: Columns
    crosses: Columns
    own: Columns
    totals: Moments
    totals_hat: Moments

    @classmethod
    def over(cls, x: Columns, x_hat: Columns) -> Sums:
        """The sums of float32 (groups, inputs, positions); ``x_hat`` may be ``x`` itself."""
        # A matrix times its own transpose costs half of what other products cost.
        products = x_hat @ x_hat.swapaxes(1, 2)
        totals_hat = x_hat.sum(axis=2, dtype=np.float64)
        if x is x_hat:
            return cls(x.shape[2], products, products, products, totals_hat, totals_hat)
        crosses = x @ x_hat.swapaxes(1, 2)
        own = x @ x.swapaxes(1, 2)
        return cls(x.shape[2], products, crosses, own, x.sum(axis=2, dtype=np.float64), totals_hat)


class InputStatistics:
    """Second moments and means of the inputs of weights that are a (groups, outputs, inputs) matrix.

    Args:
        groups: how many products there are side by side, each with inputs of its own.
        inputs: K, the number of inputs of each.

    Attributes:
        groups: see above.
        inputs: see above.
        count: how many positions were added.
    """

    def __init__(self, groups: int, inputs: int) -> None:
        self.groups, self.inputs, self.count = groups, inputs, 0
        shape = (groups, inputs, inputs)
        self._products = np.zeros(shape)
        self._crosses = np.zeros(shape)
        self._own = np.zeros(shape)
        self._totals = np.zeros(shape[:2])
        self._totals_hat = np.zeros(shape[:2])

    def add(self, x: Columns, x_hat: Columns) -> None:
        """Add positions.

        Args:
            x: the inputs in the float network, float32 (groups, inputs, positions).
            x_hat: those in the other network; the same array where the networks do not differ yet.
        """
        self.add_sums(Sums.over(x, x_hat))

    def add_sums(self, sums: Sums) -> None:
        """Add positions that are summed up already."""
        self.count += sums.count
        self._products += sums.products
        self._crosses += sums.crosses
        self._own += sums.own
        self._totals += sums.totals
        self._totals_hat += sums.totals_hat

    @property
    def second_moment(self) -> Moments:
        """H = E[x̂ x̂ᵀ], (groups, inputs, inputs)."""
        return self._products / max(self.count, 1)

    @property
    def cross(self) -> Moments:
        """C = E[x x̂ᵀ], (groups, inputs, inputs): rows belong to x, columns to x̂."""
        return self._crosses / max(self.count, 1)

    @property
    def float_moment(self) -> Moments:
        """R = E[x xᵀ], (groups, inputs, inputs)."""
        return self._own / max(self.count, 1)

    @property
    def mean(self) -> Moments:
        """E[x], (groups, inputs)."""
        return self._totals / max(self.count, 1)

    @property
    def mean_hat(self) -> Moments:
        """E[x̂], (groups, inputs)."""
        return self._totals_hat / max(self.count, 1)


class RowFrequencies:
    """How often each row of a table is looked up.

    With one-hot inputs H is diagonal: E[x̂ x̂ᵀ] = diag(frequency), where K² numbers would be far too many.

    Args:
        rows: the number of rows.

    Attributes:
        rows: see above.
        count: how many lookups were added.
    """

    def __init__(self, rows: int) -> None:
        self.rows, self.count = rows, 0
        self._counts = np.zeros(rows, dtype=np.int64)

    def add(self, indices: NDArray[np.integer]) -> None:
        """Add lookups; indices from the end count as ONNX counts them."""
        flat = indices.reshape(-1).astype(np.int64)
        self._counts += np.bincount(np.where(flat < 0, flat + self.rows, flat), minlength=self.rows)
        self.count += flat.size

    @property
    def frequency(self) -> Moments:
        """The share of the lookups that each row has, (rows,)."""
        return self._counts / max(self.count, 1)
