"""Calibrating one weight: from the statistics of its inputs to codes as the file stores them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mltoolkit.calibration.grids import Grid, TableGrid, Weights
from mltoolkit.calibration.one_thread import one_thread_a_product
from mltoolkit.calibration.problem import make_problem
from mltoolkit.calibration.sites import Site
from mltoolkit.calibration.solver import ROUNDS, Solution, linear_grid, solve, table_grid
from mltoolkit.calibration.statistics import InputStatistics, RowFrequencies
from mltoolkit.calibration.stored import (
    blocks_of_inputs,
    channels_are_outputs,
    file_channels,
    grouped_codes,
    stored_codes,
)
from mltoolkit.quantization.lookup_table import custom_lut, linear_lut
from mltoolkit.quantization.modes import Job, Stored, read_back
from mltoolkit.quantization.plan import Decision
from mltoolkit.quantization.program_forms import group_axis
from mltoolkit.quantization.slots import Form

# A layer with more inputs would need a matrix of more than 600 MB, and minutes to invert it.
MOST_INPUTS = 12_288
_RARE = 0.01
# Of fewer inputs, threads of a product cost more than they bring: on two busy cores SqueezeNet with 8 pictures took
# 40 s with two threads, 19 s of them the processor's, and 11 s (4.6 s) with one.
_THREADED_INPUTS = 1536


@dataclass(frozen=True)
class CalibratedWeight:
    """A weight that was quantized against its calibration data.

    Attributes:
        stored: its codes, in the order of the file.
        values: what they stand for, float32 in the file's shape.
        shift: what its bias must grow by, (groups · outputs,) in the order of the site; None if there is no bias.
        output_snr_db: 10 log10 of the variance of the layer's output over the problem's loss with the stored values:
            an error that is damped, and of what layers before have changed only what these weights could make up for.
    """

    stored: Stored
    values: NDArray[np.float32]
    shift: NDArray[np.float32] | None
    output_snr_db: float


def obstacle(site: Site, form: Form) -> str:
    """Why a weight cannot be calibrated in a form: "" where it can."""
    if form.kind not in ("table", "linear"):
        return "floats need no calibration"
    if form.cluster_dim > 1 or form.channel_scale:
        return "tables of vectors, and tables with a scale for each channel, are not calibrated"
    if form.group_size and (site.groups > 1 or group_axis(site.slot, form) != site.slot.channel_axis):
        return "its groups of channels are not those of the operation's outputs"
    if (form.per_channel or form.group_size) and not channels_are_outputs(site):
        return "its channels are not the operation's outputs"
    if form.block_size and not blocks_of_inputs(site, form):
        return "its blocks are not runs of the operation's inputs"
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
    form = decision.form
    assert form is not None
    with one_thread_a_product() if site.inputs < _THREADED_INPUTS else nullcontext():
        if isinstance(statistics, RowFrequencies):
            # Rows that the calibration data never look up count a hundredth of the average row.
            often = (statistics.frequency + _RARE / statistics.rows).astype(np.float32)
            importance = np.broadcast_to(often, (matrix.shape[0], matrix.shape[2]))
            solutions = [_nearest(matrix[:, rows], importance, site, decision) for rows in _parts(site, form)]
        else:
            problem = make_problem(matrix, statistics, centred=centred)
            parts = [problem] if not form.group_size else [problem.rows(rows) for rows in _parts(site, form)]
            solutions = [solve(part, _grid(part.target, part.importance, site, decision), rounds) for part in parts]
        stored = _stored(site, [_as_in_file(solution, site) for solution in solutions], form)
        values = read_back(stored, Job(weights, form, site.slot, decision.config.lut_function))
        found, shift = site.matrix(values), None
        if isinstance(statistics, RowFrequencies):
            power, loss = _weighted(matrix, importance), _weighted(found - matrix, importance)
        else:
            power, loss = float(problem.power.sum()), problem.loss(found)
            if centred:
                mean = np.einsum("goi,gi->go", matrix, statistics.mean)
                mean -= np.einsum("goi,gi->go", found, statistics.mean_hat)
                shift = mean.reshape(-1).astype(np.float32)
    snr = 10 * math.log10(power / loss) if power > 0 and loss > 0 else math.inf
    return CalibratedWeight(stored, values, shift, snr)


def _nearest(target: Weights, importance: Weights, site: Site, decision: Decision) -> Solution:
    """Rows of a table that is looked up: nothing is multiplied, so that nothing can make up for an error."""
    grid = _grid(target, importance, site, decision)
    codes = grid.round(target)
    return Solution(grid, codes, _weighted(grid.decode(codes) - target, importance))


def _weighted(weights: Weights, importance: Weights) -> float:
    """The sum of squares, each counted as its input matters."""
    return float(np.einsum("goi,gi->", weights**2, importance, dtype=np.float64))


def _parts(site: Site, form: Form) -> list[NDArray[np.int32]]:
    """The rows of the matrix that share a table, group by group of the file's channels."""
    channels = file_channels(site) if form.group_size else np.arange(site.outputs, dtype=np.int32)
    size = form.group_size or channels.size
    return [channels[start : start + size] for start in range(0, channels.size, size)]


def _stored(site: Site, solutions: Sequence[Solution], form: Form) -> Stored:
    if form.group_size:
        return grouped_codes(site, solutions, _parts(site, form), form)
    return stored_codes(site, solutions[0], form)


def _as_in_file(solution: Solution, site: Site) -> Solution:
    """Tables and scales as the program stores them."""
    return solution.halved() if site.slot.half else solution


def _grid(target: Weights, importance: Weights, site: Site, decision: Decision) -> Grid:
    form, config = decision.form, decision.config
    assert form is not None
    if form.kind == "linear":
        if form.per_channel and file_channels(site).size < site.groups * site.outputs:
            # A channel of a transposed convolution's file is an output of every group: they share its scale.
            target, importance = np.concatenate(target, axis=1)[None], importance.reshape(1, -1)
        grid = linear_grid(
            target,
            importance,
            form.nbits,
            per_channel=form.per_channel or bool(form.block_size),
            symmetric=form.symmetric,
            blocks=blocks_of_inputs(site, form) if form.block_size else 1,
            whole=site.slot.in_program,
        )
        return replace(grid, inputs=site.inputs)
    if config.mode.own_table:
        assert config.lut_function is not None
        table, _ = custom_lut(config.lut_function, form.nbits, target, where=decision.slot.where)
        return TableGrid(np.sort(table), fixed=True)
    if config.mode.name == "linear_lut":
        return TableGrid(linear_lut(target, form.nbits)[0], fixed=True)
    return table_grid(target, importance, form.nbits)
