"""Calibrating one weight: from the statistics of its inputs to codes as the file stores them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mltoolkit.calibration.grids import Grid, LinearGrid, TableGrid
from mltoolkit.calibration.problem import Problem, make_problem
from mltoolkit.calibration.sites import Site
from mltoolkit.calibration.solver import Solution, linear_grid, solve, table_grid
from mltoolkit.calibration.statistics import InputStatistics
from mltoolkit.formats.weights import LinearCodes, TableCodes
from mltoolkit.quantization.lookup_table import custom_lut, linear_lut
from mltoolkit.quantization.plan import Decision
from mltoolkit.quantization.slots import Form

# A layer with more inputs would need a matrix of more than 600 MB, and minutes to invert it.
MOST_INPUTS = 12_288


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
    if site.inputs > MOST_INPUTS:
        return f"{site.inputs} inputs are too many for their covariances"
    return ""


def calibrate_weight(
    site: Site, weights: NDArray[np.float32], statistics: InputStatistics, decision: Decision, *, centred: bool
) -> CalibratedWeight:
    """Quantize a weight.

    Args:
        site: where it is used.
        weights: its values in the file's shape.
        statistics: of its inputs.
        decision: the form that is wanted; :func:`obstacle` has none.
        centred: whether its bias can take up what the means differ by.
    """
    matrix = site.matrix(weights)
    problem = make_problem(matrix, statistics, centred=centred)
    solution = solve(problem, _grid(problem, decision))
    found = solution.weights
    shift = None
    if centred:
        mean = np.einsum("goi,gi->go", matrix, statistics.mean) - np.einsum("goi,gi->go", found, statistics.mean_hat)
        shift = mean.reshape(-1).astype(np.float32)
    power = float(problem.power.sum())
    snr = 10 * math.log10(power / solution.loss) if power > 0 and solution.loss > 0 else math.inf
    return CalibratedWeight(
        _stored(site, solution, decision), np.ascontiguousarray(site.from_matrix(found)), shift, snr
    )


def _grid(problem: Problem, decision: Decision) -> Grid:
    form, config = decision.form, decision.config
    assert form is not None
    if form.kind == "linear":
        return linear_grid(problem, form.nbits, per_channel=form.per_channel, symmetric=form.symmetric)
    if config.mode.own_table:
        assert config.lut_function is not None
        table, _ = custom_lut(config.lut_function, form.nbits, problem.target, where=decision.slot.where)
        return TableGrid(np.sort(table), fixed=True)
    if config.mode.name == "linear_lut":
        return TableGrid(linear_lut(problem.target, form.nbits)[0], fixed=True)
    return table_grid(problem, form.nbits)


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
