"""Grids: rounding is to the nearest value, refitting is least squares, stretching gives the power that is wanted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from small_problems import make_case, wide_loss

from mltoolkit.calibration.grids import LinearGrid, TableGrid
from mltoolkit.calibration.problem import Problem
from mltoolkit.calibration.solver import linear_grid, table_grid

Array = NDArray[np.float64]


def root(problem: Problem, group: int) -> Array:
    """L of H = L Lᵀ: the loss of a row's error e is ‖Lᵀ e‖²."""
    factor: Array = np.linalg.cholesky(problem.hessian[group].astype(np.float64))
    return factor


def explicit_table(problem: Problem, codes: NDArray[np.uint8], entries: int) -> Array:
    """The best table for codes, by numpy.linalg.lstsq on one row for every output and input."""
    design, wanted = [], []
    for group in range(codes.shape[0]):
        transposed = root(problem, group).T
        for output in range(codes.shape[1]):
            design.append(transposed @ np.eye(entries)[codes[group, output]])
            wanted.append(transposed @ problem.target[group, output])
    table: Array = np.linalg.lstsq(np.vstack(design), np.concatenate(wanted))[0]
    return table


@given(seed=st.integers(0, 10**6), nbits=st.integers(1, 8))
@settings(max_examples=40, deadline=None)
def test_tables_round_to_the_nearest_entry(seed: int, nbits: int) -> None:
    rng = np.random.default_rng(seed)
    grid = TableGrid(np.sort(rng.standard_normal(1 << nbits)).astype(np.float32))
    values = (2 * rng.standard_normal((2, 3, 7))).astype(np.float32)
    distance = np.abs(grid.decode(grid.round(values)) - values)
    least = np.abs(values[..., None] - grid.table).min(axis=-1)
    # Between two entries the middle is a float32: one unit in the last place of the largest value.
    assert np.all(distance <= least + 1e-6), (distance - least).max()


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("per_channel", [False, True])
@given(seed=st.integers(0, 10**6), nbits=st.integers(2, 8))
@settings(max_examples=20, deadline=None)
def test_linear_grids_round_to_the_nearest_step(seed: int, nbits: int, symmetric: bool, per_channel: bool) -> None:
    case = make_case(seed, groups=2)
    importance = case.problem.importance
    grid = linear_grid(case.problem.target, importance, nbits, per_channel=per_channel, symmetric=symmetric)
    values = (2 * np.random.default_rng(seed).standard_normal(case.weights.shape)).astype(np.float32)
    codes = grid.round(values)
    first = 1 if symmetric else 0
    assert codes.min() >= first and codes.max() < grid.levels
    possible = np.stack([grid.decode(np.full_like(codes, code)) for code in range(first, grid.levels)])
    least = np.abs(possible - values).min(axis=0)
    np.testing.assert_array_less(np.abs(grid.decode(codes) - values), least + 1e-5)  # float32 steps
    if symmetric:
        zeros = grid.round(np.zeros_like(values))
        assert np.all(zeros == grid.levels // 2) and not grid.decode(zeros).any()


@given(seed=st.integers(0, 10**6), nbits=st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_refitted_tables_are_the_least_squares_optimum(seed: int, nbits: int) -> None:
    problem = make_case(seed, groups=2, outputs=6, inputs=8).problem
    grid = table_grid(problem.target, problem.importance, nbits)
    codes = grid.round(problem.target)
    best = explicit_table(problem, codes, 1 << nbits)
    found = grid.refitted(problem, codes)
    assert np.all(np.diff(found.table) >= 0)
    least = wide_loss(problem, best[codes].astype(np.float32))
    if np.all(np.diff(best) >= 0):
        loss = wide_loss(problem, found.decode(codes))
        # Eight steps of conjugate gradients end at the optimum of up to eight entries but for float32's rounding.
        assert least * (1 - 1e-5) <= loss <= least * 1.001 + 1e-6, (loss, least)
        assert loss <= wide_loss(problem, grid.decode(codes)) * (1 + 1e-5)
    else:
        np.testing.assert_allclose(found.table, np.sort(best), atol=0.02 * np.abs(best).max())


@given(seed=st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_refitting_large_tables_never_loses(seed: int) -> None:
    problem = make_case(seed, outputs=8, inputs=12).problem
    grid = table_grid(problem.target, problem.importance, 4)
    codes = grid.round(problem.target)
    found = grid.refitted(problem, codes)
    before = wide_loss(problem, grid.decode(codes))
    # Where entries changed places the codes are found anew by whoever refits.
    again = min(wide_loss(problem, found.decode(codes)), wide_loss(problem, found.decode(found.round(problem.target))))
    assert again <= 1.05 * before, (again, before)


@pytest.mark.parametrize("symmetric", [False, True])
@given(seed=st.integers(0, 10**6), nbits=st.integers(2, 4))
@settings(max_examples=20, deadline=None)
def test_refitted_scales_are_the_least_squares_optimum(seed: int, nbits: int, symmetric: bool) -> None:
    problem = make_case(seed, groups=2, outputs=3, inputs=8).problem
    grid = linear_grid(problem.target, problem.importance, nbits, symmetric=symmetric)
    codes = grid.round(problem.target)
    found = grid.refitted(problem, codes)
    for group in range(2):
        transposed = root(problem, group).T
        for output in range(3):
            steps = codes[group, output].astype(np.float64)
            columns = [steps - grid.levels // 2] if symmetric else [steps, np.ones_like(steps)]
            best = np.linalg.lstsq(transposed @ np.stack(columns, axis=1), transposed @ problem.target[group, output])
            expected = [*best[0], -(grid.levels // 2) * best[0][0]] if symmetric else [*best[0]]
            if expected[0] <= 0:  # a scale that would turn the codes round is not taken
                continue
            given = [found.scale[group, output, 0], found.bias[group, output, 0]]
            # Float32 products with H.
            np.testing.assert_allclose(given, expected, rtol=5e-3, atol=5e-3 * np.abs(expected).max())


def test_whole_zero_points_stay_codes() -> None:
    problem = make_case(2, outputs=4, inputs=30).problem
    for nbits in (2, 4, 8):
        grid = linear_grid(problem.target, problem.importance, nbits, whole=True)
        for one in (grid, grid.refitted(problem, grid.round(problem.target)), grid.halved()):
            points = one.zero_points
            assert np.array_equal(points, np.rint(points)) and points.min() >= 0 and points.max() < 1 << nbits
            np.testing.assert_allclose(one.bias, -points * one.scale, atol=1e-6)


def test_fixed_tables_stay() -> None:
    problem = make_case(4).problem
    grid = TableGrid(np.array([-1, 0, 1, 2], np.float32), fixed=True)
    codes = grid.round(problem.target)
    assert grid.refitted(problem, codes) is grid
    assert grid.stretched(np.ones((1, 3)), np.full((1, 3), 0.5)) is grid


@pytest.mark.parametrize("kind", ["table", "per tensor", "per channel"])
def test_stretching_gives_the_power_that_is_wanted(kind: str) -> None:
    problem = make_case(9, groups=2, outputs=4, inputs=12, centred=True).problem
    grid: TableGrid | LinearGrid
    if kind == "table":
        grid = table_grid(problem.target, problem.importance, 3)
    else:
        grid = linear_grid(problem.target, problem.importance, 3, per_channel=kind == "per channel")
    codes = grid.round(problem.target)
    stretched = grid.stretched(problem.power, problem.power_of(grid.decode(codes)))
    power = problem.power_of(stretched.decode(codes))
    if kind == "per channel":
        np.testing.assert_allclose(power, problem.power, rtol=1e-4)
    else:
        assert power.sum() == pytest.approx(problem.power.sum(), rel=1e-4)


def test_stretching_knows_bounds() -> None:
    grid = TableGrid(np.array([-1, 1], np.float32))
    assert grid.stretched(np.ones((1, 1)), np.full((1, 1), 1e-9)).table[1] == 2.0
    assert grid.stretched(np.full((1, 1), 1e-9), np.ones((1, 1))).table[1] == 0.5
    assert grid.stretched(np.ones((1, 1)), np.zeros((1, 1))).table[1] == 1.0
