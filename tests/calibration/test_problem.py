"""The problem of a layer: its target, loss and powers against explicit least squares over all positions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from small_problems import Case, make_case, wide_loss

from mltoolkit.calibration.problem import make_problem
from mltoolkit.calibration.statistics import InputStatistics


def explicit_solution(case: Case, group: int, *, centred: bool) -> NDArray[np.float64]:
    """Q of least E‖W x − Q x̂ (− b)‖² + λ ‖Q − W‖², by numpy.linalg.lstsq over all positions; b is free if centred."""
    x, x_hat = case.x[group].astype(np.float64), case.x_hat[group].astype(np.float64)
    weights, count = case.weights[group].astype(np.float64), x.shape[1]
    damping = np.sqrt(case.problem.damping)
    design, wanted = x_hat.T / np.sqrt(count), (weights @ x).T / np.sqrt(count)
    ridge = np.eye(len(x))
    if centred:
        design = np.hstack([design, np.full((count, 1), 1 / np.sqrt(count))])
        ridge = np.hstack([ridge, np.zeros((len(x), 1))])
    found = np.linalg.lstsq(np.vstack([design, damping * ridge]), np.vstack([wanted, damping * weights.T]))[0]
    solution: NDArray[np.float64] = found[: len(x)].T
    return solution


@pytest.mark.parametrize("centred", [False, True])
@given(seed=st.integers(0, 10**6), groups=st.integers(1, 3), outputs=st.integers(1, 4), inputs=st.integers(1, 8))
@settings(max_examples=30, deadline=None)
def test_target_solves_the_asymmetric_problem(centred: bool, seed: int, groups: int, outputs: int, inputs: int) -> None:
    case = make_case(seed, groups=groups, outputs=outputs, inputs=inputs, centred=centred)
    for group in range(groups):
        expected = explicit_solution(case, group, centred=centred)
        # The target is float32, its second moments are sums of float32 products, and λ bounds the condition by 100·K.
        np.testing.assert_allclose(case.problem.target[group], expected, rtol=2e-3, atol=2e-3 * np.abs(expected).max())


@given(seed=st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_loss_is_the_output_error_but_for_a_constant(seed: int) -> None:
    case = make_case(seed, groups=2)
    rng = np.random.default_rng(seed)

    def output_error(weights: NDArray[np.float32]) -> float:
        errors = case.weights.astype(np.float64) @ case.x - weights.astype(np.float64) @ case.x_hat
        ridge = case.problem.damping * float(((weights.astype(np.float64) - case.weights) ** 2).sum())
        return float((errors**2).mean(axis=2).sum()) + ridge

    one, other = (rng.standard_normal(case.weights.shape).astype(np.float32) for _ in range(2))
    expected = output_error(one) - output_error(other)
    found = case.problem.loss(one) - case.problem.loss(other)
    # Sums of float32 products; both losses are of the order of the sum of squares of some 30 numbers.
    assert found == pytest.approx(expected, abs=1e-4 * (output_error(one) + output_error(other))), (found, expected)
    assert case.problem.loss(case.problem.target) == 0.0


@pytest.mark.parametrize("centred", [False, True])
def test_powers_are_those_of_the_outputs(centred: bool) -> None:
    case = make_case(3, groups=2, positions=400, centred=centred)
    wide = case.weights.astype(np.float64)
    for found, outputs in (
        (case.problem.power, wide @ case.x),
        (case.problem.power_of(case.weights), wide @ case.x_hat),
    ):
        expected = outputs.var(axis=2) if centred else (outputs**2).mean(axis=2)
        np.testing.assert_allclose(found, expected, rtol=1e-4)  # sums of float32 products


@pytest.mark.parametrize("inputs", [40, 333])
def test_compensation_is_the_factor_of_the_inverse(inputs: int) -> None:
    problem = make_case(5, groups=3, inputs=inputs).problem
    order, factor = problem.order, problem.compensation.astype(np.float64)
    assert np.all(np.diff(problem.importance.mean(axis=0)[order]) <= 0)
    assert np.array_equal(np.triu(factor), factor)
    ordered = problem.hessian[:, order][:, :, order].astype(np.float64)
    identity = np.swapaxes(factor, 1, 2) @ factor @ ordered
    np.testing.assert_allclose(identity, np.broadcast_to(np.eye(inputs), identity.shape), atol=1e-3)  # a float32 factor


def test_rows_share_the_problem_out() -> None:
    problem = make_case(6, groups=2, outputs=5).problem
    weights = np.zeros_like(problem.target)
    problem.compensation  # noqa: B018 - computed before, so that the parts share it
    parts = [problem.rows(rows) for rows in (np.array([0, 3]), np.array([1, 2, 4]))]
    losses = [part.loss(np.zeros_like(part.target)) for part in parts]
    assert sum(losses) == pytest.approx(problem.loss(weights), rel=1e-6)
    assert all(part.compensation is problem.compensation for part in parts)
    np.testing.assert_array_equal(parts[0].power, problem.power[:, [0, 3]])


def test_without_data_the_target_is_the_weights() -> None:
    weights = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)
    problem = make_problem(weights, InputStatistics(2, 4), centred=True)
    np.testing.assert_allclose(problem.target, weights, rtol=1e-6)
    assert problem.damping == 1.0 and wide_loss(problem, weights) < 1e-9


def test_inputs_that_are_always_zero_keep_their_weights() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((1, 4, 50)).astype(np.float32)
    x[:, 2] = 0
    statistics = InputStatistics(1, 4)
    statistics.add(x, x)
    weights = rng.standard_normal((1, 3, 4)).astype(np.float32)
    np.testing.assert_allclose(make_problem(weights, statistics, centred=False).target, weights, atol=1e-5)


def test_inputs_that_hardly_vary() -> None:
    """What the means leave of float32 products is noise, and may be negative; the weights stay about as they are."""
    rng = np.random.default_rng(0)
    x = (6 + 1e-5 * rng.standard_normal((1, 8, 2048))).astype(np.float32)
    weights = rng.standard_normal((1, 4, 8)).astype(np.float32)
    statistics = InputStatistics(1, 8)
    statistics.add(x, x + np.float32(1e-3))
    problem = make_problem(weights, statistics, centred=True)
    assert np.linalg.eigvalsh(problem.hessian.astype(np.float64)).min() > 0, problem.importance
    assert (problem.importance > 0).all()
    # A variance of 1e-10 of a square of 36 says nothing: λ keeps T at W.
    np.testing.assert_allclose(problem.target, weights, atol=0.5 * np.abs(weights).max())
