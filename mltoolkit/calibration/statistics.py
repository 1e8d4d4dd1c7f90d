"""What the inputs of a layer's weights look like over the calibration data, in the float network and in another.

A position is one set of inputs that the weights are multiplied with: a window of a convolution, a row of a matrix.
With x the inputs at a position in the float network, x̂ those at the same position of the same sample in the network
quantized so far, and E the mean over all positions taken: H = E[x̂ x̂ᵀ], C = E[x x̂ᵀ], R = E[x xᵀ], E[x] and E[x̂].
Products are float32 over a thousand positions at a time, their sums float64. They are taken about the means of the
first positions: else rounding would leave no covariance of inputs that hardly vary about a large mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Least and most rows, and most bytes, of the products that are made at once.
_ROWS = 64, 512
_PART_BYTES = 4 << 20

Columns = NDArray[np.float32]
Moments = NDArray[np.float64]
# Such as map.
Each = Callable[[Callable[[Any], None], Iterable[Any]], Iterable[None]]


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
        # Of the two symmetric ones only rows from the diagonal on are kept up.
        self._products = np.zeros(shape)
        self._own = np.zeros(shape)
        self._crosses = np.zeros(shape)
        self._totals = np.zeros(shape[:2])
        self._totals_hat = np.zeros(shape[:2])
        self._origin = np.zeros(shape[:2], dtype=np.float32)

    def add(self, x: Columns, x_hat: Columns, each: Each = map) -> None:
        """Add positions.

        Args:
            x: the inputs in the float network, float32 (groups, inputs, positions).
            x_hat: those in the other network; the same array where the networks do not differ yet.
            each: applies a function to the parts of the work: an executor's ``map`` does so in threads.
        """
        if not self.count:
            self._origin = x_hat.mean(axis=2)
        hat = x_hat - self._origin[..., None]
        own = hat if x is x_hat else x - self._origin[..., None]
        for _ in each(lambda part: self._add_part(own, hat, *part), self._parts()):
            pass
        self.count += x.shape[2]

    def _parts(self) -> list[tuple[slice, slice]]:
        """Groups and rows whose products are made at once; whatever the threads, so that all add up alike."""
        rows = int(np.clip(-(-self.inputs // 6), *_ROWS))
        groups = max(1, min(_PART_BYTES // (4 * rows * self.inputs), -(-self.groups // 4)))
        return [
            (slice(group, group + groups), slice(row, row + rows))
            for group in range(0, self.groups, groups)
            for row in range(0, self.inputs, rows)
        ]

    def _add_part(self, x: Columns, x_hat: Columns, groups: slice, rows: slice) -> None:
        hat, later = x_hat[groups, rows], slice(rows.start, None)
        total_hat = _totals(hat)
        self._totals_hat[groups, rows] += total_hat
        if x is x_hat:
            product = hat @ x_hat[groups].swapaxes(1, 2)
            self._crosses[groups, rows] += product
            self._products[groups, rows, later] += product[..., later]
            self._own[groups, rows, later] += product[..., later]
            self._totals[groups, rows] += total_hat
            return
        own = x[groups, rows]
        self._crosses[groups, rows] += own @ x_hat[groups].swapaxes(1, 2)
        self._products[groups, rows, later] += hat @ x_hat[groups, later].swapaxes(1, 2)
        self._own[groups, rows, later] += own @ x[groups, later].swapaxes(1, 2)
        self._totals[groups, rows] += _totals(own)

    @property
    def second_moment(self) -> Moments:
        """H = E[x̂ x̂ᵀ], (groups, inputs, inputs)."""
        return self._about_zero(self._symmetric(self._products), self._totals_hat, self._totals_hat)

    @property
    def float_moment(self) -> Moments:
        """R = E[x xᵀ], (groups, inputs, inputs)."""
        return self._about_zero(self._symmetric(self._own), self._totals, self._totals)

    @property
    def cross(self) -> Moments:
        """C = E[x x̂ᵀ], (groups, inputs, inputs): rows belong to x, columns to x̂."""
        return self._about_zero(self._crosses / max(self.count, 1), self._totals, self._totals_hat)

    @property
    def mean(self) -> Moments:
        """E[x], (groups, inputs)."""
        return self._origin + self._totals / max(self.count, 1)

    @property
    def mean_hat(self) -> Moments:
        """E[x̂], (groups, inputs)."""
        return self._origin + self._totals_hat / max(self.count, 1)

    def _about_zero(self, moments: Moments, totals: Moments, totals_hat: Moments) -> Moments:
        """E[(a + x) (a + x̂)ᵀ] of E[x x̂ᵀ] and the sums of x and x̂."""
        origin = self._origin.astype(np.float64)
        after, after_hat = totals / max(self.count, 1), totals_hat / max(self.count, 1)
        for rows in (slice(row, row + _ROWS[1]) for row in range(0, self.inputs, _ROWS[1])):
            part = moments[:, rows]
            part += origin[:, rows, None] * (origin + after_hat)[:, None, :]
            part += after[:, rows, None] * origin[:, None, :]
        return moments

    def _symmetric(self, upper: Moments) -> Moments:
        full = np.triu(upper)
        full += np.swapaxes(np.triu(upper, 1), 1, 2)
        full /= max(self.count, 1)
        return full


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


def _totals(columns: Columns) -> Columns:
    """Sums over positions; NumPy adds pairwise, which loses no more than the products do."""
    total: Columns = columns.sum(axis=2)
    return total
