"""How far two arrays, or two probability vectors, lie apart. All arithmetic is float64, whatever comes in."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mltoolkit.errors import ArgumentError

#: Probabilities below this count as this in a divergence: far under what a float32 softmax tells apart from
#: zero in practice, and high enough that one vanished class does not drown all the others.
PROBABILITY_FLOOR = 1e-12


def snr_db(reference: ArrayLike, other: ArrayLike) -> float:
    """Signal-to-noise ratio 10 log10(sum reference² / sum (other - reference)²).

    Elements that are the same infinity, or NaN, in both carry no noise and are left out; one that is not
    finite in only one of the two is infinite noise.

    Args:
        reference: the signal, any shape and real dtype.
        other: the signal with noise, the same shape.

    Returns:
        Decibels: +inf where both are equal, -inf for noise on a silent reference or for infinite noise.
            Never NaN.

    Raises:
        ArgumentError: the shapes differ.

    >>> round(snr_db([3.0, 4.0], [3.0, 4.5]), 6)
    20.0
    """
    signal, noise, broken = _paired(reference, other)
    return ratio_db(float(np.mean(signal**2)) if signal.size else 0.0, noise, broken)


def psnr_db(reference: ArrayLike, other: ArrayLike, *, peak: float | None = None) -> float:
    """Peak signal-to-noise ratio 10 log10(peak² / mean (other - reference)²).

    Args:
        reference: the signal, any shape and real dtype.
        other: the signal with noise, the same shape.
        peak: the greatest value a signal can take (255 for pixels); max |reference| where it is None, as in
            coremltools.

    Returns:
        Decibels, with the same rules for equal and for infinite values as ``snr_db``.

    Raises:
        ArgumentError: the shapes differ, or the peak is not a positive number.

    >>> pixels = np.array([0, 255], np.uint8)
    >>> round(psnr_db(pixels, np.array([255, 0], np.uint8), peak=255), 6)
    0.0
    """
    if peak is not None and not (peak > 0 and np.isfinite(peak)):
        raise ArgumentError(f"the peak of a signal is {peak}", fix="Give a positive number, such as 255 for pixels")
    signal, noise, broken = _paired(reference, other)
    height = peak if peak is not None else float(np.max(np.abs(signal))) if signal.size else 0.0
    return ratio_db(height**2, noise, broken)


def kl_divergence(reference: ArrayLike, other: ArrayLike, *, floor: float = PROBABILITY_FLOOR) -> float:
    """Kullback-Leibler divergence sum p ln(p / q) of two probability vectors, p the reference.

    Both are first clipped from below to ``floor`` and divided by their sum, so that the result is finite,
    zero only for equal vectors, and never negative.

    Args:
        reference: p, one axis, values >= 0 with a positive sum.
        other: q, the same length.
        floor: smallest probability that is told apart from zero.

    Returns:
        Nats.

    Raises:
        ArgumentError: lengths differ, a value is negative, infinite or NaN, or a vector sums to zero.

    >>> round(kl_divergence([0.5, 0.5], [0.25, 0.75]), 6)
    0.143841
    """
    p, q = (np.asarray(vector, dtype=np.float64) for vector in (reference, other))
    if p.shape != q.shape or p.ndim != 1:
        raise ArgumentError(f"two probability vectors of shapes {p.shape} and {q.shape} cannot be compared")
    for vector in (p, q):
        if not is_distribution(vector):
            raise ArgumentError(
                "this is no probability distribution: a value is negative or not finite, or the sum is zero",
                fix="Apply a softmax to scores first",
            )
    p, q = (np.maximum(vector / vector.sum(), floor) for vector in (p, q))
    p, q = p / p.sum(), q / q.sum()
    # Rounding alone can bring the sum under its true minimum, zero.
    return max(0.0, float(np.sum(p * (np.log(p) - np.log(q)))))


def is_distribution(vector: NDArray[np.floating]) -> bool:
    """Whether all values are finite and non-negative and their sum is positive (it need not be 1)."""
    total = float(np.sum(vector, dtype=np.float64))
    return bool(np.isfinite(total) and total > 0 and vector.min() >= 0)


def equal_fraction(reference: ArrayLike, other: ArrayLike) -> float:
    """Fraction of elements that are exactly equal (NaN equals NaN); 1 for empty arrays.

    Raises:
        ArgumentError: the shapes differ.

    >>> equal_fraction([1, 2, 3, 4], [1, 2, 3, 5])
    0.75
    """
    a, b = np.asarray(reference), np.asarray(other)
    _require_same_shape(a, b)
    return float(np.mean((a == b) | ((a != a) & (b != b)))) if a.size else 1.0


def _paired(reference: ArrayLike, other: ArrayLike) -> tuple[NDArray[np.float64], float, bool]:
    """The comparable elements of the reference, their mean squared noise, whether noise is infinite."""
    a, b = (np.asarray(array, dtype=np.float64).reshape(-1) for array in (reference, other))
    _require_same_shape(np.asarray(reference), np.asarray(other))
    finite = np.isfinite(a) & np.isfinite(b)
    broken = False
    if not finite.all():
        alike = (a == b) | (np.isnan(a) & np.isnan(b))
        broken = bool(np.any(~finite & ~alike))
        a, b = a[finite], b[finite]
    noise = float(np.mean((b - a) ** 2)) if a.size else 0.0
    return a, noise, broken


def _require_same_shape(a: NDArray[np.generic], b: NDArray[np.generic]) -> None:
    if a.shape != b.shape:
        raise ArgumentError(f"two arrays of shapes {a.shape} and {b.shape} cannot be compared element by element")


def ratio_db(signal: float, noise: float, broken: bool = False) -> float:
    """10 log10(signal / noise) of two powers: +inf without noise, -inf without signal or where noise is infinite."""
    if broken:
        return -np.inf
    if noise == 0:
        return np.inf
    return float(10 * np.log10(signal / noise)) if signal > 0 else -np.inf
