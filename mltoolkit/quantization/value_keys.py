"""Monotone integer keys of float32 values: for histograms, and for assigning codes through a table.

A key map never decreases in x, so that values with a smaller key than a threshold's lie below the threshold,
those with a greater key above it, and only values with the threshold's own key need a comparison.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

_OCTAVES = 32
_MANTISSA_BITS = 23  # of float32


class KeyMap(Protocol):
    """A monotone map from float32 values within a range to 0 .. count - 1."""

    @property
    def count(self) -> int:
        """The number of keys."""

    def keys(self, values: NDArray[np.float32]) -> NDArray[np.intp]:
        """The keys (intp, same shape) of float32 ``values`` within the map's range."""

    def middles(self, keys: NDArray[np.intp]) -> NDArray[np.float64]:
        """The middle (float64) of the values with each of ``keys``."""

    def widths(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """How far apart (float64) values with the key of each of ``values`` can be."""


@dataclass(frozen=True, slots=True)
class LinearKeys:
    """Keys of even width between ``low`` and a greatest value."""

    low: np.float32
    scale: np.float32
    count: int

    @classmethod
    def over(cls, low: float, high: float, bits: int) -> LinearKeys:
        """2**bits keys for values from ``low`` to ``high`` > ``low``; see :func:`linear_keys_fit`."""
        return cls(np.float32(low), np.float32(((1 << bits) - 1) / (high - low)), 1 << bits)

    def keys(self, values: NDArray[np.float32]) -> NDArray[np.intp]:
        """See :class:`KeyMap`."""
        offsets = values - self.low
        offsets *= self.scale
        # By way of int32, which is four times as fast.
        return offsets.astype(np.int32).astype(np.intp)

    def middles(self, keys: NDArray[np.intp]) -> NDArray[np.float64]:
        """See :class:`KeyMap`."""
        return float(self.low) + (keys.astype(np.float64) + 0.5) / float(self.scale)

    def widths(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """See :class:`KeyMap`."""
        return np.full(values.shape, 1.0 / float(self.scale))


@dataclass(frozen=True, slots=True)
class FloatKeys:
    """Keys of even relative width over 32 octaves, after the bits of float32; smaller values share one key.

    With 16 bits the width is 2**-10 of the value: values once stored as float16 keep a key each.
    """

    floor: np.int32
    shift: int
    count: int

    @classmethod
    def over(cls, low: float, high: float, bits: int) -> FloatKeys:
        """2**bits keys for values from ``low`` to ``high``; 6 < bits < 30."""
        half = 1 << (bits - 1)
        shift = _MANTISSA_BITS - (half // _OCTAVES).bit_length() + 1
        top = int(np.float32(max(abs(low), abs(high))).view(np.int32)) >> shift
        return cls(np.int32(max(top - (half - 1), 0) << shift), shift, 2 * half)

    def keys(self, values: NDArray[np.float32]) -> NDArray[np.intp]:
        """See :class:`KeyMap`."""
        bits = np.ascontiguousarray(values).view(np.int32)
        negative = bits >> 31  # -1 or 0
        magnitude = bits & np.int32(0x7FFFFFFF)
        magnitude -= self.floor
        np.maximum(magnitude, 0, out=magnitude)
        magnitude >>= self.shift
        magnitude ^= negative
        magnitude -= negative
        magnitude += self.count // 2
        return magnitude.astype(np.intp)

    def middles(self, keys: NDArray[np.intp]) -> NDArray[np.float64]:
        """See :class:`KeyMap`."""
        signed = (keys - self.count // 2).astype(np.int32)
        bits = (np.abs(signed) << self.shift) + self.floor + np.int32(1 << (self.shift - 1))
        return np.where(signed == 0, 0.0, np.copysign(bits.view(np.float32).astype(np.float64), signed))

    def widths(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """See :class:`KeyMap`."""
        smallest = float(self.floor.view(np.float32)) if self.floor else 2.0**-126
        relative = 2.0 ** (self.shift - _MANTISSA_BITS)
        return np.maximum(np.abs(values).astype(np.float64) * relative, 2 * smallest)


def linear_keys_fit(low: float, high: float) -> bool:
    """Whether float32 holds ``high - low`` and the scale of :class:`LinearKeys` normally."""
    return 1e-30 < high - low < 1e38
