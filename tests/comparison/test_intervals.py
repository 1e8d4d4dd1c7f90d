"""Wilson intervals against their definition and against known values."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltoolkit.comparison.intervals import wilson_interval
from mltoolkit.errors import ArgumentError

Z95 = 1.959963984540054


@given(trials=st.integers(1, 100_000), share=st.floats(0, 1))
def test_ends_solve_wilsons_equation(trials: int, share: float) -> None:
    """Both ends are where |fraction - p| = z sqrt(p (1 - p) / n)."""
    successes = round(share * trials)
    fraction = successes / trials
    low, high = wilson_interval(successes, trials)
    assert 0 <= low <= fraction <= high <= 1
    for end in (low, high):
        # Squared, so that the double root at the ends 0 and 1 stays well conditioned.
        left, right = (fraction - end) ** 2, Z95**2 * end * (1 - end) / trials
        assert math.isclose(left, right, rel_tol=1e-6, abs_tol=1e-12), (low, high, left, right)


def test_values_published_elsewhere() -> None:
    """Newcombe, Statistics in Medicine 17 (1998), table I, method 3."""
    table = {
        (81, 263): (0.2553, 0.3662),
        (15, 148): (0.0624, 0.1605),
        (0, 20): (0.0, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }
    for (successes, trials), expected in table.items():
        # The table has four decimals.
        assert wilson_interval(successes, trials) == pytest.approx(expected, abs=5e-5)


def test_mirror_image() -> None:
    low, high = wilson_interval(474, 500)
    mirrored = wilson_interval(26, 500)
    assert (1 - high, 1 - low) == pytest.approx(mirrored, abs=1e-15)


def test_higher_confidence_is_wider() -> None:
    assert wilson_interval(5, 10, confidence=0.99)[0] < wilson_interval(5, 10)[0]


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (-1, 5), (6, 5)])
def test_impossible_counts(successes: int, trials: int) -> None:
    with pytest.raises(ArgumentError, match="does not exist"):
        wilson_interval(successes, trials)


@pytest.mark.parametrize("confidence", [0, 1, 95])
def test_impossible_confidence(confidence: float) -> None:
    with pytest.raises(ArgumentError, match="between 0 and 1"):
        wilson_interval(1, 2, confidence=confidence)
