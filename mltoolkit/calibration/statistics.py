"""What the inputs of a layer's weights look like over the calibration data, in the float network and in another.

A position is one set of inputs that the weights are multiplied with: a window of a convolution, a row of a matrix.
With x the inputs at a position in the float network, x̂ those at the same position of the same sample in the network
quantized so far, and E the mean over all positions taken: H = E[x̂ x̂ᵀ], C = E[x x̂ᵀ], E[x] and E[x̂]. Products are
float32 over some thousand positions at a time, their sums float64.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_BUFFER_BYTES = 16 << 20
_MOST_POSITIONS = 4096

Columns = NDArray[np.float32]
Moments = NDArray[np.float64]


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
        self._sums = np.zeros(shape[:2])
        self._sums_hat = np.zeros(shape[:2])
        self._pending: list[tuple[Columns, Columns]] = []
        self._pending_positions = 0
        self._capacity = int(np.clip(_BUFFER_BYTES // (4 * groups * inputs), 1, _MOST_POSITIONS))

    def add(self, x: Columns, x_hat: Columns) -> None:
        """Add positions.

        Args:
            x: the inputs in the float network, float32 (groups, inputs, positions). Kept until they are needed.
            x_hat: those in the other network; the same array where the networks do not differ yet.
        """
        self._pending.append((x, x_hat))
        self._pending_positions += x.shape[2]
        self.count += x.shape[2]
        if self._pending_positions >= self._capacity:
            self._flush()

    def _flush(self) -> None:
        if not self._pending_positions:
            return
        same = all(x is x_hat for x, x_hat in self._pending)
        hat = _joined([x_hat for _, x_hat in self._pending])
        # A matrix times its own transpose costs half.
        product = hat @ hat.swapaxes(1, 2)
        mean_hat = hat.sum(axis=2, dtype=np.float64)
        self._products += product
        self._sums_hat += mean_hat
        if same:
            self._crosses += product
            self._sums += mean_hat
        else:
            x = _joined([x for x, _ in self._pending])
            self._crosses += x @ hat.swapaxes(1, 2)
            self._sums += x.sum(axis=2, dtype=np.float64)
        self._pending, self._pending_positions = [], 0

    @property
    def second_moment(self) -> Moments:
        """H = E[x̂ x̂ᵀ], (groups, inputs, inputs)."""
        self._flush()
        return self._products / max(self.count, 1)

    @property
    def cross(self) -> Moments:
        """C = E[x x̂ᵀ], (groups, inputs, inputs): rows belong to x, columns to x̂."""
        self._flush()
        return self._crosses / max(self.count, 1)

    @property
    def mean(self) -> Moments:
        """E[x], (groups, inputs)."""
        self._flush()
        return self._sums / max(self.count, 1)

    @property
    def mean_hat(self) -> Moments:
        """E[x̂], (groups, inputs)."""
        self._flush()
        return self._sums_hat / max(self.count, 1)


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


def _joined(parts: list[Columns]) -> Columns:
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)
