"""Codes of the nearest table entry against searchsorted, and the keys behind them."""

from __future__ import annotations

import numpy as np
import pytest
from distributions import DISTRIBUTIONS, sample
from hypothesis import given, settings
from hypothesis import strategies as st

from mltoolkit.errors import ArgumentError, QuantizationError
from mltoolkit.quantization.assignment import assign_to_table
from mltoolkit.quantization.value_keys import FloatKeys, LinearKeys

FLOATS = st.floats(-(2.0**127), 2.0**127, width=32)


def by_search(values: np.ndarray, table: np.ndarray) -> np.ndarray:
    wide = table.astype(np.float64)
    return np.searchsorted((wide[1:] + wide[:-1]) / 2, values.astype(np.float64))


@settings(max_examples=100, derandomize=True, deadline=None)
@given(
    name=st.sampled_from(sorted(DISTRIBUTIONS)),
    n=st.sampled_from([1, 100, 5_000, 70_001]),
    entries=st.integers(1, 256),
    exponent=st.integers(-38, 30),
    from_values=st.booleans(),
)
def test_codes_are_those_of_searchsorted(name: str, n: int, entries: int, exponent: int, from_values: bool) -> None:
    values = (sample(name, n).astype(np.float64) * 10.0**exponent).clip(-3e38, 3e38).astype(np.float32)
    r = np.random.default_rng(entries)
    if from_values:
        table = np.sort(r.choice(values, entries))
    else:
        table = np.sort(r.normal(scale=2 * 10.0**exponent, size=entries)).clip(-3e38, 3e38).astype(np.float32)
    np.testing.assert_array_equal(assign_to_table(values, table), by_search(values, table))


@pytest.mark.parametrize("entries", [2, 16, 17, 256])
def test_values_on_midpoints_take_the_smaller_entry(entries: int) -> None:
    table = np.arange(entries, dtype=np.float32) * 2
    midpoints = np.resize(table[:-1] + 1, 10_000)
    above = np.nextafter(midpoints, np.float32(np.inf))
    expected = np.resize(np.arange(entries - 1), 10_000)
    np.testing.assert_array_equal(assign_to_table(midpoints, table), expected)
    np.testing.assert_array_equal(assign_to_table(above, table), expected + 1)


@pytest.mark.parametrize("entries", [2, 12, 200])
@pytest.mark.parametrize("n", [1_000, 50_000])
def test_float32_next_to_a_midpoint_that_float32_does_not_hold(entries: int, n: int) -> None:
    table = np.sort(np.random.default_rng(entries).standard_normal(entries)).astype(np.float32)
    nearest = ((table[1:].astype(np.float64) + table[:-1]) / 2).astype(np.float32)
    beside = [np.nextafter(nearest, np.float32(sign * np.inf)) for sign in (-1, 1)]
    values = np.resize(np.concatenate([nearest, *beside]), n)
    np.testing.assert_array_equal(assign_to_table(values, table), by_search(values, table))


def test_many_thresholds_within_one_key() -> None:
    values = np.append(sample("normal", 50_000) * np.float32(1e-7), np.float32(1e3))
    table = np.append(np.linspace(-2e-7, 2e-7, 255), 1e3).astype(np.float32)
    np.testing.assert_array_equal(assign_to_table(values, table), by_search(values, table))


@pytest.mark.parametrize("n", [10, 20_000])
def test_any_order_of_entries(n: int) -> None:
    values = sample("normal", n)
    table = np.random.default_rng(7).permutation(np.linspace(-2, 2, 64)).astype(np.float32)
    nearest = np.abs(values[:, None] - table).argmin(axis=1)
    np.testing.assert_array_equal(table[assign_to_table(values, table)], table[nearest])


@settings(max_examples=200, derandomize=True, deadline=None)
@given(values=st.lists(FLOATS, min_size=2, max_size=30, unique=True), bits=st.sampled_from([12, 16, 18]))
def test_keys_never_decrease(values: list[float], bits: int) -> None:
    ascending = np.sort(np.array(values, dtype=np.float32))
    low, high = float(ascending[0]), float(ascending[-1])
    maps = [FloatKeys.over(low, high, bits)]
    if 1e-30 < high - low < 1e38:
        maps.append(LinearKeys.over(low, high, bits))
    for key_map in maps:
        keys = key_map.keys(ascending)
        assert (np.diff(keys) >= 0).all(), key_map
        assert keys[0] >= 0, key_map
        assert keys[-1] < key_map.count, key_map


@pytest.mark.parametrize("bits", [12, 14, 16, 18])
def test_middles_lie_within_their_bins(bits: int) -> None:
    values = sample("student-t 2", 20_000)
    low, high = float(values.min()), float(values.max())
    for key_map in (FloatKeys.over(low, high, bits), LinearKeys.over(low, high, bits)):
        keys = key_map.keys(values)
        distance = np.abs(key_map.middles(keys) - values)
        # Half a width; the keys are computed in float32, which moves the edges by a few of its last places.
        slack = 1e-6 * max(-low, high)
        assert (distance <= key_map.widths(values) / 2 + slack).all(), key_map


def test_float16_values_keep_a_key_each() -> None:
    halves = np.arange(0x0400, 0x7C00, dtype=np.uint16).view(np.float16)  # normal and finite
    values = np.concatenate([-halves, halves]).astype(np.float32)
    keys = FloatKeys.over(float(values.min()), float(values.max()), 16).keys(values)
    assert np.unique(keys).size == values.size


@pytest.mark.parametrize(
    ("values", "table", "error"),
    [
        ([np.nan, 0.0], [0.0, 1.0], QuantizationError),
        ([np.inf, 0.0], [0.0, 1.0], QuantizationError),
        ([0.0], [0.0, np.nan], QuantizationError),
        ([0.0], [], ArgumentError),
        ([0.0], [0.0] * 257, ArgumentError),
    ],
)
def test_bad_arguments_are_refused(values: list[float], table: list[float], error: type[Exception]) -> None:
    with pytest.raises(error):
        assign_to_table(np.array(values, dtype=np.float32), np.array(table, dtype=np.float32))
