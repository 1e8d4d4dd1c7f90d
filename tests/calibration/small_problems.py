"""Problems small enough to check against NumPy's own least squares and against trying everything."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mltoolkit.calibration.problem import Problem, make_problem
from mltoolkit.calibration.statistics import InputStatistics


@dataclass(frozen=True)
class Case:
    """Weights, the inputs they met in two networks, and the problem that was made of them."""

    weights: NDArray[np.float32]
    x: NDArray[np.float32]
    x_hat: NDArray[np.float32]
    problem: Problem


def make_case(
    seed: int,
    *,
    groups: int = 1,
    outputs: int = 3,
    inputs: int = 5,
    positions: int = 60,
    centred: bool = False,
    drift: float = 0.3,
) -> Case:
    """Correlated inputs with means, and in the other network the same with noise of ``drift`` of their size."""
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((groups, inputs, inputs)) / np.sqrt(inputs)
    x = mixing @ rng.standard_normal((groups, inputs, positions)) + rng.standard_normal((groups, inputs, 1))
    x_hat = x + drift * rng.standard_normal(x.shape) + drift * rng.standard_normal((groups, inputs, 1))
    weights = rng.standard_normal((groups, outputs, inputs)).astype(np.float32)
    x, x_hat = x.astype(np.float32), x_hat.astype(np.float32)
    statistics = InputStatistics(groups, inputs)
    statistics.add(x, x_hat)
    return Case(weights, x, x_hat, make_problem(weights, statistics, centred=centred))


def wide_loss(problem: Problem, weights: NDArray[np.floating]) -> float:
    """The loss in float64."""
    error = weights.astype(np.float64) - problem.target
    return float(np.einsum("goi,gij,goj->", error, problem.hessian.astype(np.float64), error))
