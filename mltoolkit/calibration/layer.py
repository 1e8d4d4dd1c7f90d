"""Calibrating one weight: from the statistics of its inputs to codes as the file stores them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mltoolkit.calibration.grids import Grid, LinearGrid, TableGrid, Weights
from mltoolkit.calibration.problem import make_problem
from mltoolkit.calibration.sites import Site
from mltoolkit.calibration.solver import ROUNDS, Solution, linear_grid, solve, table_grid
from mltoolkit.calibration.statistics import InputStatistics, RowFrequencies
from mltoolkit.formats.weights import LinearCodes, TableCodes
from mltoolkit.quantization.lookup_table import custom_lut, linear_lut
from mltoolkit.quantization.plan import Decision
from mltoolkit.quantization.slots import Form

# A layer with more inputs would need a matrix of more than 600 MB, and minutes to invert it.
MOST_INPUTS = 12_288
_RARE = 0.01


@dataclass(frozen=True)
class CalibratedWeight:
    """A weight that was quantized against its calibration data.

    Attributes:
        stored: its codes, in the order of the file.
        values: what they stand for, float32 in the file's shape.
        shift: what its bias must grow by, (groups · outputs,) in the order of the site; None if there is no bias.
        output_snr_db: 10 log10 of the variance of the layer's output over that of its error, as the solver saw it.
    """

    stored: LinearCodes | TableCodes
    values: NDArray[np.float32]
    shift: NDArray[np.float32] | None
    output_snr_db: float


def obstacle(site: Site, form: Form) -> str:
    """Why a weight cannot be calibrated in a form: "" where it can."""
    if form.kind not in ("table", "linear"):
        return "floats need no calibration"
    if form.cluster_dim > 1 or form.channel_scale or form.group_size or form.block_size:
        return "calibration knows one table, or scales for the whole weight or for output channels"
    if site.inputs > MOST_INPUTS and not isinstance(site.new_statistics(), RowFrequencies):
        return f"{site.inputs} inputs are too many for their covariances"
    return ""


def calibrate_weight(
    site: Site,
    weights: NDArray[np.float32],
    statistics: InputStatistics | RowFrequencies,
    decision: Decision,
    *,
    centred: bool,
    rounds: int = ROUNDS,
) -> CalibratedWeight:
    """Quantize a weight.

    Args:
        site: where it is used.
        weights: its values in the file's shape.
        statistics: of its inputs.
        decision: the form that is wanted; :func:`obstacle` has none.
        centred: whether its bias can take up what the means differ by.
        rounds: how often to descend and refit.
    """
    matrix = site.matrix(weights)
    if isinstance(statistics, RowFrequencies):
        return _looked_up(site, matrix, statistics, decision)
    problem = make_problem(matrix, statistics, centred=centred)
    solution = solve(problem, _grid(problem.target, problem.importance, decision), rounds)
    found = solution.weights
    shift = None
    if centred:
        mean = np.einsum("goi,gi->go", matrix, statistics.mean) - np.einsum("goi,gi->go", found, statistics.mean_hat)
        shift = mean.reshape(-1).astype(np.float32)
    return _calibrated(site, solution, decision, shift, float(problem.power.sum()))


def _looked_up(
    site: Site, matrix: NDArray[np.float32], frequencies: RowFrequencies, decision: Decision
) -> CalibratedWeight:
    """A table of embeddings: nothing is multiplied, so that nothing can make up for an error; frequent rows count more.

    Rows that the calibration data never look up count a hundredth of the average row.
    """
    often = frequencies.frequency + _RARE / frequencies.rows
    importance = np.broadcast_to(often.astype(np.float32), (matrix.shape[0], matrix.shape[2]))
    grid = _grid(matrix, importance, decision)
    codes = grid.round(matrix)
    error = (grid.decode(codes) - matrix) ** 2
    solution = Solution(grid, codes, float(np.einsum("goi,gi->", error, importance, dtype=np.float64)))
    return _calibrated(site, solution, decision, None, float(np.einsum("goi,gi->", matrix**2, importance)))


def _calibrated(
    site: Site, solution: Solution, decision: Decision, shift: NDArray[np.float32] | None, power: float
) -> CalibratedWeight:
    snr = 10 * math.log10(power / solution.loss) if power > 0 and solution.loss > 0 else math.inf
    values = np.ascontiguousarray(site.from_matrix(solution.weights))
    return CalibratedWeight(_stored(site, solution, decision), values, shift, snr)


def _grid(target: Weights, importance: Weights, decision: Decision) -> Grid:
    form, config = decision.form, decision.config
    assert form is not None
    if form.kind == "linear":
        return linear_grid(target, importance, form.nbits, per_channel=form.per_channel, symmetric=form.symmetric)
    if config.mode.own_table:
        assert config.lut_function is not None
        table, _ = custom_lut(config.lut_function, form.nbits, target, where=decision.slot.where)
        return TableGrid(np.sort(table), fixed=True)
    if config.mode.name == "linear_lut":
        return TableGrid(linear_lut(target, form.nbits)[0], fixed=True)
    return table_grid(target, importance, form.nbits)


def _stored(site: Site, solution: Solution, decision: Decision) -> LinearCodes | TableCodes:
    form, grid = decision.form, solution.grid
    assert form is not None
    codes = np.ascontiguousarray(site.from_matrix(solution.codes))
    if isinstance(grid, TableGrid):
        return TableCodes(codes.reshape(-1), form.nbits, grid.table)
    assert isinstance(grid, LinearGrid)
    if grid.scale.size == 1:
        return LinearCodes(codes, form.nbits, grid.scale.reshape(1), grid.bias.reshape(1))
    rows = file_channels(site)
    return LinearCodes(codes, form.nbits, grid.scale.reshape(-1)[rows], grid.bias.reshape(-1)[rows])


def file_channels(site: Site) -> NDArray[np.int32]:
    """Which row of the (groups, outputs, inputs) matrix each output channel of the file is, flat over groups."""
    numbers = np.arange(site.groups * site.outputs, dtype=np.int32).reshape(site.groups, site.outputs, 1)
    matrix = np.ascontiguousarray(np.broadcast_to(numbers, (site.groups, site.outputs, site.inputs)))
    along = np.moveaxis(site.from_matrix(matrix), site.slot.channel_axis, 0)
    rows: NDArray[np.int32] = along.reshape(along.shape[0], -1)[:, 0]
    return rows
