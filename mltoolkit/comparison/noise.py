"""Signal and noise summed over many arrays, a part of each at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.comparison.metrics import ratio_db

#: Sums of signal² and noise², and whether some noise is infinite.
Powers = tuple[float, float, bool]

# Elements that are float64 at one time: 2 MB for signal and noise together, which stay in the processor's cache. All
# at once, or 16 MB at a time, takes up to twice as long.
_PART = 1 << 17


class NoiseSum:
    """The power of a signal and of its noise, over all arrays added so far.

    The rules for infinities and NaN are those of :func:`~mltoolkit.comparison.metrics.snr_db`.

    Attributes:
        lowest_db: the signal-to-noise ratio of the worst array.
        worst: index of that array among those added; -1 before the first.
    """

    def __init__(self) -> None:
        self.lowest_db = math.inf
        self.worst = -1
        self._signal = 0.0
        self._noise = 0.0
        self._broken = False

    def add(self, index: int, powers: Powers) -> None:
        """Take in what :func:`signal_and_noise` says of the array number ``index``."""
        signal, noise, broken = powers
        self._signal += signal
        self._noise += noise
        self._broken |= broken
        ratio = ratio_db(signal, noise, broken)
        if self.worst < 0 or ratio < self.lowest_db or (ratio == self.lowest_db and index < self.worst):
            self.lowest_db, self.worst = ratio, index

    @property
    def snr_db(self) -> float:
        """10 log10(sum of all signal² / sum of all noise²): +inf for equal arrays, -inf for infinite noise."""
        return ratio_db(self._signal, self._noise, self._broken)


def signal_and_noise(reference: NDArray[Any], other: NDArray[Any]) -> Powers:
    """The sums of reference² and (other - reference)² over all elements, and whether some noise is infinite.

    Args:
        reference: any shape and real dtype.
        other: as many elements.
    """
    a, b = reference.reshape(-1), other.reshape(-1)
    signal = noise = 0.0
    broken = False
    for start in range(0, a.size, _PART):
        x = a[start : start + _PART].astype(np.float64)
        y = b[start : start + _PART].astype(np.float64)
        finite = np.isfinite(x) & np.isfinite(y)
        if not finite.all():
            alike = (x == y) | (np.isnan(x) & np.isnan(y))
            broken |= bool(np.any(~finite & ~alike))
            x, y = x[finite], y[finite]
        signal += _power(x)
        y -= x
        noise += _power(y)
    return signal, noise, broken


def _power(x: NDArray[np.float64]) -> float:
    # Not x @ x: the threads of the matrix library wait by spinning, and comparisons run side by side. On two busy cores
    # errors of layers took six times as long.
    return float(np.einsum("i,i->", x, x))
