"""Figures and histograms of weights, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltoolkit.visualization.weight_values import describe_values


@pytest.mark.parametrize("size", [1, 7, 48, 5000, (1 << 20) + 3])
def test_figures_are_those_of_numpy(size: int) -> None:
    values = np.random.default_rng(size).normal(0.3, 2, size).astype(np.float32)
    found = describe_values(values)
    assert found is not None
    assert (found.smallest, found.largest) == (values.min(), values.max())
    # Both sum in float64; the order differs.
    assert found.mean == pytest.approx(values.mean(dtype=np.float64), rel=1e-9)
    assert found.deviation == pytest.approx(values.std(dtype=np.float64), rel=1e-6, abs=1e-7)
    assert sum(found.counts) == size
    if size > 1:
        expected, _ = np.histogram(values.astype(np.float64), 48, (found.low, found.high))
        # A value on the edge of a bin may be rounded into its neighbour.
        assert np.abs(np.array(found.counts) - expected).sum() <= max(2, size / 10_000)


def test_the_original_is_counted_over_the_same_bins() -> None:
    rng = np.random.default_rng(2)
    original = rng.normal(size=(30, 40)).astype(np.float32)
    values = np.round(original * 2) / 2
    found = describe_values(values, original)
    assert found is not None
    assert found.low == min(values.min(), original.min()) and found.high == max(values.max(), original.max())
    assert sum(found.before) == sum(found.counts) == 1200
    assert found.levels == tuple(np.unique(values).tolist())


def test_zeros_and_what_is_no_number_are_counted() -> None:
    found = describe_values(np.array([0, 0, 1, np.nan, np.inf, -np.inf, 2], dtype=np.float32))
    assert found is not None
    assert (found.zeros, found.not_finite, found.smallest, found.largest) == (2, 3, 0, 2)
    assert sum(found.counts) == 4
    assert describe_values(np.array([np.nan], dtype=np.float32)) is None
    assert describe_values(np.empty((0, 3), dtype=np.float32)) is None


def test_one_value_fills_one_bin() -> None:
    found = describe_values(np.full(10, 0.25, dtype=np.float16))
    assert found is not None
    assert found.counts[0] == 10 and sum(found.counts) == 10


@given(st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=1, max_size=200))
def test_no_value_is_lost(values: list[float]) -> None:
    found = describe_values(np.array(values, dtype=np.float32))
    assert found is not None
    assert sum(found.counts) == len(values)


def test_levels_are_told_only_where_there_are_few() -> None:
    rng = np.random.default_rng(3)
    assert describe_values(rng.normal(size=4000)).levels == ()
    assert len(describe_values(rng.choice(rng.normal(size=16), 4000)).levels) == 16
    assert len(describe_values(rng.choice(np.arange(257.0), 8000)).levels) == 0
    # A small weight that is not quantized has few values too; that says nothing.
    assert describe_values(rng.normal(size=100)).levels == ()
