"""k-means against the exact optimum, and its promises for awkward input."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from distributions import DISTRIBUTIONS, sample
from exact_kmeans import optimal_sse, sse_of
from hypothesis import given, settings
from hypothesis import strategies as st

from mltoolkit.errors import ArgumentError, QuantizationError
from mltoolkit.quantization.kmeans import kmeans_1d

CLUSTERS = (2, 3, 4, 8, 16, 32, 64, 128, 256)


def excess(values: np.ndarray, clusters: int, optimum: float, weights: np.ndarray | None = None) -> float:
    """How many times the optimum the squared error is, less what no float32 table avoids.

    Rounding a table entry to float32 moves it by at most half a unit in the last place of the greatest value,
    and costs the square of that for each value. The reference itself, in float64, is good to about 1e-12 of
    the total.
    """
    table, codes = kmeans_1d(values, clusters, weights)
    mass = values.size if weights is None else float(weights.sum())
    wide = values.astype(np.float64)
    rounding = mass * (float(np.abs(wide).max()) * 2.0**-25) ** 2
    noise = 1e-12 * mass * float(np.var(wide))
    return max(sse_of(values, table, codes, weights) - rounding - noise, 0.0) / max(optimum, noise, 1e-300)


# From 32,768 values on, a histogram replaces the sort.
LARGE = ("normal", "student-t 2", "narrow clumps")


@pytest.mark.parametrize(
    ("name", "n"),
    [(name, n) for name in DISTRIBUTIONS for n in (100, 1_000, 5_000)] + [(name, 40_000) for name in LARGE],
)
def test_error_is_within_a_thousandth_of_the_optimum(name: str, n: int) -> None:
    values = sample(name, n)
    optimum = optimal_sse(values, max(CLUSTERS))
    ratios = {k: excess(values, k, optimum[k - 1]) for k in CLUSTERS if k < n}
    assert max(ratios.values()) <= 1.001, ratios


@pytest.mark.parametrize("clusters", [5, 16, 100])
@pytest.mark.parametrize("n", [500, 60_000])
def test_weighted_error_is_within_a_thousandth_of_the_optimum(n: int, clusters: int) -> None:
    values = sample("laplace", n)
    weights = np.random.default_rng(1).random(n) ** 3
    weights[::5] = 0.0
    ratio = excess(values, clusters, optimal_sse(values, clusters, weights)[-1], weights)
    assert ratio <= 1.001, ratio


def test_weights_of_twenty_orders_of_magnitude() -> None:
    values = sample("normal", 2_000)
    weights = 10.0 ** np.random.default_rng(2).uniform(-20, 0, values.size)
    # The reference knows masses down to 1e-16 of their sum; what is left out lowers the optimum.
    optimum = optimal_sse(values, 16, np.where(weights > 1e-12, weights, 0.0))[-1]
    ratio = excess(values, 16, optimum, weights)
    assert ratio <= 1.001, ratio


def test_whole_weights_count_as_repetitions() -> None:
    values = sample("normal", 400)
    counts = np.random.default_rng(3).integers(1, 6, values.size)
    table, _ = kmeans_1d(values, 12, counts)
    repeated, _ = kmeans_1d(np.repeat(values, counts), 12)
    # The centre of the sums differs, hence the last bits.
    np.testing.assert_allclose(table, repeated, rtol=1e-6)


@settings(max_examples=150, derandomize=True, deadline=None)
@given(
    values=st.lists(st.integers(-50, 50), min_size=1, max_size=60),
    clusters=st.integers(1, 12),
)
def test_small_sets_are_solved_exactly(values: list[int], clusters: int) -> None:
    array = np.array(values, dtype=np.float32)
    table, codes = kmeans_1d(array, clusters)
    optimum = optimal_sse(array, clusters)[-1]
    # Sums of whole numbers are exact; only the table is rounded to float32.
    assert sse_of(array, table, codes) == pytest.approx(optimum, rel=1e-9, abs=1e-7)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    n=st.integers(1, 3_000),
    clusters=st.integers(1, 256),
    exponent=st.integers(-30, 30),
    name=st.sampled_from(sorted(DISTRIBUTIONS)),
)
def test_table_and_codes_belong_together(n: int, clusters: int, exponent: int, name: str) -> None:
    values = (sample(name, n).astype(np.float64) * 10.0**exponent).clip(-3e38, 3e38).astype(np.float32)
    table, codes = kmeans_1d(values, clusters)
    assert table.dtype == np.float32
    assert table.shape == (clusters,)
    assert codes.dtype == np.uint8
    assert codes.shape == (n,)
    assert np.isfinite(table).all()
    assert (np.diff(table) >= 0).all()
    wide = table.astype(np.float64)
    np.testing.assert_array_equal(codes, np.searchsorted((wide[1:] + wide[:-1]) / 2, values))


@pytest.mark.parametrize("scale", [2.0**-100, 2.0**-60, 2.0**60, 2.0**100])
@pytest.mark.parametrize("n", [1_000, 100_000])
def test_a_power_of_two_changes_nothing_but_the_scale(scale: float, n: int) -> None:
    values = sample("normal", n)
    table, codes = kmeans_1d(values, 16)
    scaled_table, scaled_codes = kmeans_1d(values * np.float32(scale), 16)
    ratio = sse_of(values, scaled_table.astype(np.float64) / scale, scaled_codes) / sse_of(values, table, codes)
    # At the edge of float32 the histogram is keyed by exponents instead of evenly.
    assert ratio == pytest.approx(1.0, abs=2e-3), ratio


@pytest.mark.parametrize("n", [1, 5, 300, 200_000])
@pytest.mark.parametrize("distinct", [1, 2, 7, 16])
def test_few_distinct_values_are_reproduced_exactly(n: int, distinct: int) -> None:
    r = np.random.default_rng(4)
    choice = (r.standard_normal(distinct) * 10.0 ** r.uniform(-20, 20, distinct)).astype(np.float32)
    values = choice[r.integers(0, distinct, n)]
    table, codes = kmeans_1d(values, 16)
    np.testing.assert_array_equal(table[codes], values)


def test_no_values() -> None:
    table, codes = kmeans_1d(np.zeros((0, 3), dtype=np.float32), 4)
    assert table.tolist() == [0, 0, 0, 0]
    assert codes.shape == (0,)


@pytest.mark.parametrize("n", [1_000, 200_000])
def test_float16_and_strided_input_give_what_float32_gives(n: int) -> None:
    half = np.random.default_rng(5).standard_normal((n, 2)).astype(np.float16)
    table, codes = kmeans_1d(half[:, 0], 32)
    again, same = kmeans_1d(np.ascontiguousarray(half[:, 0], dtype=np.float32), 32)
    np.testing.assert_array_equal(table, again)
    np.testing.assert_array_equal(codes, same)


@pytest.mark.parametrize("n", [2_000, 300_000])
def test_the_order_of_values_does_not_matter_and_input_is_not_changed(n: int) -> None:
    values = sample("student-t 2", n)
    before = values.copy()
    table, codes = kmeans_1d(values, 64)
    np.testing.assert_array_equal(values, before)
    again, same = kmeans_1d(values, 64)
    np.testing.assert_array_equal(table, again)
    np.testing.assert_array_equal(codes, same)
    if n == 2_000:  # above, a sample of the values chooses the histogram
        shuffled, _ = kmeans_1d(np.random.default_rng(6).permutation(values), 64)
        np.testing.assert_array_equal(table, shuffled)


@pytest.mark.parametrize("name", ["normal", "student-t 2", "narrow clumps", "float16 data", "90 % zeros"])
@pytest.mark.parametrize("clusters", [16, 256])
def test_histograms_lose_next_to_nothing_against_sorting(
    name: str, clusters: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = sample(name, 400_000)
    fast = sse_of(values, *kmeans_1d(values, clusters))
    monkeypatch.setattr("mltoolkit.quantization.kmeans._HISTOGRAM_FROM", values.size)
    sorting = sse_of(values, *kmeans_1d(values, clusters))
    assert fast <= 1.0008 * sorting, fast / sorting


def test_memory_stays_near_the_size_of_the_input() -> None:
    values = sample("normal", 4_000_000)
    kmeans_1d(values[:100_000], 16)
    tracemalloc.start()
    try:
        kmeans_1d(values, 16)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The codes take a quarter of the input; blocks and bins are of fixed size.
    assert peak <= values.nbytes, peak / values.nbytes


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(QuantizationError, match="1 of 3 values"):
        kmeans_1d(np.array([0.0, bad, 1.0], dtype=np.float32), 2)


@pytest.mark.parametrize("clusters", [0, -1, 257, 2.5, "4", True, None])
def test_wrong_numbers_of_clusters_are_refused(clusters: Any) -> None:
    with pytest.raises(ArgumentError, match="clusters"):
        kmeans_1d(np.zeros(3, dtype=np.float32), clusters)


@pytest.mark.parametrize(
    ("weights", "error"),
    [
        ([1.0, 2.0], ArgumentError),
        ([1.0, 2.0, -1.0], QuantizationError),
        ([1.0, 2.0, np.nan], QuantizationError),
        ([1.0, 2.0, np.inf], QuantizationError),
    ],
)
def test_wrong_weights_are_refused(weights: list[float], error: type[Exception]) -> None:
    with pytest.raises(error, match="weights"):
        kmeans_1d(np.array([0, 1, 2], dtype=np.float32), 2, np.array(weights))


def test_weights_of_zero_count_as_none() -> None:
    values = sample("normal", 500)
    table, _ = kmeans_1d(values, 8, np.zeros(values.size))
    plain, _ = kmeans_1d(values, 8)
    np.testing.assert_array_equal(table, plain)
