"""Rounding: GPTQ against its textbook form, coordinate descent against trying every other code."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from small_problems import make_case, wide_loss

from mltoolkit.calibration.grids import Grid
from mltoolkit.calibration.problem import Problem
from mltoolkit.calibration.rounding import compensated, descended
from mltoolkit.calibration.solver import linear_grid, table_grid

KINDS = ("table", "linear", "symmetric", "per tensor")


def make_grid(kind: str, problem: Problem, nbits: int) -> Grid:
    target, importance = problem.target, problem.importance
    if kind == "table":
        return table_grid(target, importance, nbits)
    return linear_grid(target, importance, nbits, per_channel=kind != "per tensor", symmetric=kind == "symmetric")


def textbook(problem: Problem, grid: Grid) -> NDArray[np.uint8]:
    """Optimal brain quantization in a fixed order: one weight at a time, the inverse shrinks (arXiv:2208.11580)."""
    codes = np.empty(problem.target.shape, dtype=np.uint8)
    values = problem.target.astype(np.float64)
    for group in range(codes.shape[0]):
        inverse = np.linalg.inv(problem.hessian[group].astype(np.float64))
        for column in problem.order:
            place = np.array([column])
            whole = values[..., place].astype(np.float32)
            codes[group, :, place] = grid.round(whole, place)[group].T
            decoded = grid.decode(grid.round(whole, place), place)[group, :, 0]
            error = (values[group, :, column] - decoded) / inverse[column, column]
            values[group] -= np.outer(error, inverse[column])
            inverse -= np.outer(inverse[column], inverse[column]) / inverse[column, column]
    return codes


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("groups", "outputs", "inputs"), [(1, 4, 30), (3, 2, 9), (2, 2, 130)])
def test_compensation_is_that_of_the_textbook(kind: str, groups: int, outputs: int, inputs: int) -> None:
    problem = make_case(inputs, groups=groups, outputs=outputs, inputs=inputs, positions=300).problem
    grid = make_grid(kind, problem, 3)
    found, expected = compensated(problem, grid), textbook(problem, grid)
    # Float32 against float64: what lies between two values of the grid may fall to either side.
    share = float(np.mean(found != expected))
    assert share < 0.02, f"{share:.1%} of the codes differ"
    assert wide_loss(problem, grid.decode(found)) == pytest.approx(wide_loss(problem, grid.decode(expected)), rel=0.05)


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 10**6), nbits=st.integers(2, 4), inputs=st.integers(1, 20), groups=st.integers(1, 2))
@settings(max_examples=20, deadline=None)
def test_descent_never_raises_the_loss(kind: str, seed: int, nbits: int, inputs: int, groups: int) -> None:
    problem = make_case(seed, groups=groups, inputs=inputs).problem
    grid = make_grid(kind, problem, nbits)
    for codes in (compensated(problem, grid), grid.round(problem.target), grid.round(-problem.target)):
        before, start = wide_loss(problem, grid.decode(codes)), codes.copy()
        after = wide_loss(problem, grid.decode(descended(problem, grid, codes)))
        assert after <= before * (1 + 1e-5) + 1e-9, (after, before)
        assert np.array_equal(start, codes), "the codes that were given were changed"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("groups", "inputs"), [(1, 6), (2, 20), (1, 120)])
def test_at_the_end_no_single_weight_can_move(kind: str, groups: int, inputs: int) -> None:
    problem = make_case(groups * inputs, groups=groups, outputs=2, inputs=inputs, positions=400).problem
    grid = make_grid(kind, problem, 2)
    codes = compensated(problem, grid)
    for _ in range(60):
        after = descended(problem, grid, codes)
        if np.array_equal(after, codes):
            break
        codes = after
    else:
        pytest.fail("the descent has no end")
    loss = wide_loss(problem, grid.decode(codes))
    for place in np.ndindex(codes.shape):
        for other in range(1 if kind == "symmetric" else 0, 4):
            moved = codes.copy()
            moved[place] = other
            gain = loss - wide_loss(problem, grid.decode(moved))
            assert gain <= 1e-5 * loss, (place, other, gain, loss)


@pytest.mark.parametrize("kind", KINDS)
def test_codes_are_on_the_grid(kind: str) -> None:
    problem = make_case(8, groups=2, inputs=10).problem
    for nbits in (2, 5, 8):
        grid = make_grid(kind, problem, nbits)
        codes = descended(problem, grid, compensated(problem, grid))
        assert codes.dtype == np.uint8 and codes.shape == problem.target.shape
        assert codes.max() < 1 << nbits and codes.min() >= (kind == "symmetric")


@pytest.mark.parametrize("kind", KINDS)
def test_compensation_pays_on_correlated_inputs(kind: str) -> None:
    problem = make_case(12, outputs=16, inputs=64, positions=200).problem
    grid = make_grid(kind, problem, 3)
    nearest = wide_loss(problem, grid.decode(grid.round(problem.target)))
    codes = compensated(problem, grid)
    first = wide_loss(problem, grid.decode(codes))
    second = wide_loss(problem, grid.decode(descended(problem, grid, codes)))
    assert second <= first < nearest, f"nearest {nearest:.4g}, compensated {first:.4g}, descended {second:.4g}"
