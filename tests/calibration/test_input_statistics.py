"""Sums over positions: equal to a direct computation, for any number of threads, seeded, with nothing unbounded."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from site_checks import close_graph, only_site

from mltoolkit.calibration.collecting import collect_statistics
from mltoolkit.calibration.sites import Site, choose, copy_graph
from mltoolkit.calibration.statistics import InputStatistics, RowFrequencies
from mltoolkit.graph.builder import GraphBuilder
from mltoolkit.graph.model_graph import ModelGraph
from mltoolkit.runtime.sections import SectionedRun

# Products in float32 of up to a thousand positions, beside float64.
TOLERANCE = 1e-5


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.integers(1, 3),
    st.sampled_from([1, 2, 5, 70, 130]),
    st.lists(st.integers(1, 40), min_size=1, max_size=4),
    st.booleans(),
)
def test_moments(groups: int, inputs: int, parts: list[int], same: bool) -> None:
    rng = np.random.default_rng(0)
    statistics = InputStatistics(groups, inputs)
    everything: list[tuple[np.ndarray, np.ndarray]] = []
    for positions in parts:
        x = rng.standard_normal((groups, inputs, positions)).astype(np.float32)
        x_hat = x if same else (x + rng.standard_normal(x.shape).astype(np.float32))
        statistics.add(x, x_hat)
        everything.append((x, x_hat))
    x, x_hat = (np.concatenate(half, axis=2).astype(np.float64) for half in zip(*everything, strict=True))
    count = sum(parts)
    assert statistics.count == count
    for name, expected in {
        "second_moment": np.einsum("gip,gjp->gij", x_hat, x_hat) / count,
        "cross": np.einsum("gip,gjp->gij", x, x_hat) / count,
        "float_moment": np.einsum("gip,gjp->gij", x, x) / count,
        "mean": x.mean(axis=2),
        "mean_hat": x_hat.mean(axis=2),
    }.items():
        found = getattr(statistics, name)
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE, err_msg=name)


def test_without_positions_there_are_zeros() -> None:
    statistics = InputStatistics(2, 3)
    assert statistics.count == 0
    assert not statistics.second_moment.any()
    assert not RowFrequencies(5).frequency.any()


def test_float64_sums_keep_what_float32_would_lose() -> None:
    statistics = InputStatistics(1, 1)
    # The first positions say about what the products are taken.
    statistics.add(*[np.zeros((1, 1, 1), dtype=np.float32)] * 2)
    statistics.add(*[np.full((1, 1, 1), 2**15, dtype=np.float32)] * 2)
    for _ in range(1000):
        statistics.add(*[np.full((1, 1, 1), 4, dtype=np.float32)] * 2)
    # Adding 16 to 2**30 changes nothing in float32.
    assert statistics.second_moment[0, 0, 0] * statistics.count == pytest.approx(2**30 + 16_000, rel=1e-12)


def test_positions_are_chosen_without_repetition_and_evenly() -> None:
    chosen = choose(1000, np.random.default_rng(0), 100)
    assert chosen.size == np.unique(chosen).size == 100
    assert np.all(np.diff(chosen) > 0)
    np.testing.assert_array_equal(choose(50, np.random.default_rng(0), 100), np.arange(50))
    counts = sum(np.bincount(choose(20, np.random.default_rng(seed), 5), minlength=20) for seed in range(2000))
    # 500 of each expected; four standard deviations of a binomial count are 77.
    assert np.abs(counts - 500).max() < 80, counts


def convolution(size: int = 12, channels: int = 4) -> tuple[ModelGraph, Site, np.ndarray]:
    weights = np.random.default_rng(0).standard_normal((3, channels, 3, 3)).astype(np.float32)
    builder = GraphBuilder("test")
    x = builder.input("x", np.float32, (1, channels, size, size))
    scaled = builder.op(
        "Mul", x, builder.constant(np.ones((1, channels, 1, 1), np.float32), name="scale"), name="scaled"
    )
    with builder.scope("layer"):
        y = builder.op("Conv", scaled, builder.constant(weights), attributes={"pads": [1, 1, 1, 1]}, name="y")
    graph = close_graph(builder, y)
    return graph, only_site(graph, weights), weights


def two_runs(samples: int, threads: int) -> tuple[Site, SectionedRun, SectionedRun]:
    """The graph, and one whose first operation was changed."""
    graph, site, _ = convolution()
    other = copy_graph(graph)
    import onnx_ir as ir

    scale = np.array([1, 2, 0.5, -1], dtype=np.float32).reshape(1, 4, 1, 1)
    other.model.graph.initializers["scale"].const_value = ir.Tensor(scale, name="scale")
    rng = np.random.default_rng(1)
    feeds = [{"x": rng.standard_normal((1, 4, 12, 12)).astype(np.float32)} for _ in range(samples)]
    runs = [SectionedRun(one, [site.node(one)], feeds, threads=threads) for one in (graph, other)]
    for run in runs:
        run.advance()
    return site, *runs


def test_all_positions_of_all_samples_against_a_direct_computation() -> None:
    site, run, run_hat = two_runs(7, 2)
    statistics = collect_statistics(site, run, run_hat, rows=144)
    assert isinstance(statistics, InputStatistics)
    assert statistics.count == 7 * 144
    windows = []
    for one in (run, run_hat):
        padded = [
            np.pad(one.value("scaled", sample)[0].astype(np.float64), ((0, 0), (1, 1), (1, 1))) for sample in range(7)
        ]
        seen = [
            image[:, top : top + 3, left : left + 3].reshape(-1)
            for image in padded
            for top in range(12)
            for left in range(12)
        ]
        windows.append(np.stack(seen, axis=1))
    x, x_hat = windows
    np.testing.assert_allclose(statistics.second_moment[0], x_hat @ x_hat.T / 1008, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(statistics.cross[0], x @ x_hat.T / 1008, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(statistics.float_moment[0], x @ x.T / 1008, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(statistics.mean_hat[0], x_hat.mean(axis=1), rtol=0, atol=TOLERANCE)


def test_the_same_positions_are_taken_from_both_networks_whatever_the_threads() -> None:
    first = collect_statistics(*two_runs(9, 1), rows=20, seed=5)
    second = collect_statistics(*two_runs(9, 2), rows=20, seed=5)
    other = collect_statistics(*two_runs(9, 2), rows=20, seed=6)
    assert isinstance(first, InputStatistics)
    assert isinstance(second, InputStatistics)
    assert isinstance(other, InputStatistics)
    assert first.count == 180
    for name in ("second_moment", "cross", "float_moment", "mean", "mean_hat"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert not np.array_equal(first.second_moment, other.second_moment)
    # x̂ is x with channels scaled, at the very same positions.
    scale = np.repeat([1, 2, 0.5, -1], 9)
    np.testing.assert_allclose(first.cross[0], first.float_moment[0] * scale, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(
        first.second_moment[0], first.float_moment[0] * scale * scale[:, None], rtol=0, atol=4 * TOLERANCE
    )


def test_few_inputs_need_few_positions() -> None:
    weights = np.random.default_rng(0).standard_normal((4, 1, 3, 3)).astype(np.float32)
    builder = GraphBuilder("test")
    x = builder.input("x", np.float32, (1, 4, 30, 30))
    with builder.scope("layer"):
        y = builder.op("Conv", x, builder.constant(weights), attributes={"group": 4}, name="y")
    graph = close_graph(builder, y)
    site = only_site(graph, weights)
    run = SectionedRun(graph, [site.node(graph)], [{"x": np.ones((1, 4, 30, 30), np.float32)}] * 3)
    run.advance()
    assert collect_statistics(site, run, run, rows=100).count == 300
    assert collect_statistics(site, run, run, rows=10_000).count == 3 * 16 * 9


def test_a_run_against_itself_costs_one_product() -> None:
    site, run, _ = two_runs(3, 1)
    statistics = collect_statistics(site, run, run, rows=30)
    assert isinstance(statistics, InputStatistics)
    np.testing.assert_array_equal(statistics.second_moment, statistics.cross)
    np.testing.assert_array_equal(statistics.second_moment, statistics.float_moment)


@pytest.mark.parametrize("threads", [1, 2])
def test_windows_of_many_channels_stay_small(threads: int) -> None:
    """All windows of one sample would be 3·3·256 × 48·48 floats, 21 MB; of 20 samples 425 MB."""
    graph, site, _ = convolution(48, 256)
    rng = np.random.default_rng(1)
    feeds = [{"x": rng.standard_normal((1, 256, 48, 48)).astype(np.float32)} for _ in range(20)]
    run = SectionedRun(graph, [site.node(graph)], feeds, threads=threads)
    run.advance()
    tracemalloc.start()
    statistics = collect_statistics(site, run, run, rows=64)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert statistics.count == 20 * 64
    # Three sums in float64; the columns of one batch, twice while they are put together; parts of products.
    limit = 3 * 2304 * 2304 * 8 + 2 * (32 << 20) + threads * (4 << 20)
    assert peak < limit, f"{peak / 1e6:.0f} MB of {limit / 1e6:.0f}"


def test_covariance_of_inputs_that_hardly_vary() -> None:
    rng = np.random.default_rng(5)
    x = (6 + 1e-3 * rng.standard_normal((1, 8, 4096))).astype(np.float32)
    statistics = InputStatistics(1, 8)
    for part in np.split(x, 4, axis=2):
        statistics.add(part, part)
    mean = statistics.mean[0]
    found = statistics.second_moment[0] - np.outer(mean, mean)
    expected = np.cov(x[0].astype(np.float64), bias=True)
    # Products of float32 about 6 are off by some 1e-5, ten times the variance.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * expected.max())
