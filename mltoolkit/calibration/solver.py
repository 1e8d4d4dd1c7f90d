"""Finding codes and grid of one layer together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mltoolkit.calibration.grids import Codes, Grid, LinearGrid, TableGrid, Weights
from mltoolkit.calibration.problem import Problem
from mltoolkit.calibration.rounding import compensated, descended
from mltoolkit.quantization.kmeans import kmeans_1d

# At 2 bits SqueezeNet's divergence on the calibration pictures fell on three splits against 4 rounds; most layers need
# few.
ROUNDS = 16
Bounds = NDArray[np.float64]
# Shares of the whole range that a scale may cover: cutting off the rarest values makes the others finer.
_SHARES = np.linspace(0.3, 1.0, 36)


@dataclass(frozen=True)
class Solution:
    """Quantized weights.

    Attributes:
        grid: the values they may take.
        codes: (groups, outputs, inputs).
        loss: of the problem, before the grid was stretched.
    """

    grid: Grid
    codes: Codes
    loss: float

    @property
    def weights(self) -> Weights:
        """What the codes stand for."""
        return self.grid.decode(self.codes)

    def halved(self) -> Solution:
        """The same with tables and scales as float16 holds them.

        Codes with a scale are rounded anew, since tiny scales change by more than codes can hide.
        """
        grid = self.grid.halved()
        return replace(self, grid=grid, codes=grid.round(self.weights) if isinstance(grid, LinearGrid) else self.codes)


def solve(problem: Problem, grid: Grid, rounds: int = ROUNDS) -> Solution:
    """Codes and grid of small loss: GPTQ, then coordinate descent and refitting in turn, the best that was seen.

    What least squares finds is weaker than the original, since what cannot be told is left out; through many layers
    of few bits the signal would fade. So the grid is stretched until the outputs have the power that they have in the
    float network.

    Args:
        problem: the layer.
        grid: where to begin, from :func:`table_grid` or :func:`linear_grid`.
        rounds: how often to descend and refit.
    """
    # In small layers what GPTQ moves to the inputs still to come may cost more there than it saves.
    starts = (compensated(problem, grid), grid.round(problem.target))
    best = min((Solution(grid, start, problem.loss(grid.decode(start))) for start in starts), key=_loss)
    codes = best.codes
    for _ in range(rounds):
        grid = grid.refitted(problem, codes)
        codes = descended(problem, grid, codes)
        loss = problem.loss(grid.decode(codes))
        if loss < best.loss * (1 - 1e-3):
            best = Solution(grid, codes, loss)
        else:
            best = min(best, Solution(grid, codes, loss), key=_loss)
            break
    return replace(best, grid=best.grid.stretched(problem.power, problem.power_of(best.weights)))


def _loss(solution: Solution) -> float:
    return solution.loss


def table_grid(target: Weights, importance: Weights, nbits: int) -> TableGrid:
    """The table of least squared error, every weight counted as its input matters.

    Args:
        target: float32 (groups, outputs, inputs).
        importance: of the inputs, (groups, inputs).
        nbits: 1 to 8.
    """
    masses = np.broadcast_to(importance[:, None, :], target.shape)
    table, _ = kmeans_1d(target, 1 << nbits, np.ascontiguousarray(masses).reshape(-1))
    return TableGrid(table)


def linear_grid(
    target: Weights,
    importance: Weights,
    nbits: int,
    *,
    per_channel: bool = True,
    symmetric: bool = False,
    blocks: int = 1,
    whole: bool = False,
) -> LinearGrid:
    """Scales and biases of least squared error among shares of the whole range.

    Args:
        target: float32 (groups, outputs, inputs).
        importance: of the inputs, (groups, inputs).
        nbits: 1 to 8 (2 to 8 if symmetric).
        per_channel: one scale and bias for each output, else one for all.
        symmetric: about 0, which has a code of its own.
        blocks: how many scales share the inputs of an output; only with ``per_channel``.
        whole: zero points must be codes.
    """
    groups, outputs, inputs = target.shape
    levels = 1 << nbits
    masses = np.broadcast_to(importance[:, None, :], target.shape)
    shape = (groups, outputs, blocks, inputs // blocks) if per_channel else (1, 1, 1, -1)
    values, masses = target.reshape(shape), masses.reshape(shape)
    low, high = values.min(axis=-1).astype(np.float64), values.max(axis=-1).astype(np.float64)
    if symmetric:
        high = np.maximum(-low, high)
        low = -high
    scale, bias, least = np.zeros_like(low), low.copy(), np.full(low.shape, np.inf)
    for share in _SHARES:
        step = share * (high - low) / (levels - (2 if symmetric else 1))
        offset = -(levels // 2) * step if symmetric else (low + high) / 2 - share * (high - low) / 2
        if whole and not symmetric:
            step, offset = _whole_points(step, offset, low, high, levels)
        error = _error(values, masses, step, offset, levels, symmetric)
        better = error < least
        scale, bias, least = (
            np.where(better, step, scale),
            np.where(better, offset, bias),
            np.where(better, error, least),
        )
    return LinearGrid(scale.astype(np.float32), bias.astype(np.float32), levels, symmetric, inputs, whole)


def _whole_points(
    step: NDArray[np.float64],
    offset: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    levels: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The nearest grid that has a code for 0; where the range is far from it, the step reaches there."""
    reach = np.maximum(np.maximum(high, 0) - np.minimum(low, 0), 0) / (levels - 1)
    apart = (low > 0) | (high < 0)
    step = np.where(apart, reach, step)
    point = np.clip(np.rint(np.divide(-offset, step, out=np.zeros_like(step), where=step > 0)), 0, levels - 1)
    return step, -point * step


def _error(
    values: Weights,
    masses: Weights,
    step: NDArray[np.float64],
    offset: NDArray[np.float64],
    levels: int,
    symmetric: bool,
) -> NDArray[np.float64]:
    inverse = np.divide(1.0, step, out=np.zeros_like(step), where=step > 0)[..., None].astype(np.float32)
    bias, scale = offset[..., None].astype(np.float32), step[..., None].astype(np.float32)
    error = np.clip(np.rint((values - bias) * inverse), 1 if symmetric else 0, levels - 1)
    error *= scale
    error += bias - values
    error *= error
    total: NDArray[np.float64] = np.einsum("...i,...i->...", error, masses, dtype=np.float64)
    return total
