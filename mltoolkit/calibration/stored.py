"""From a solution, in the order of the matrix, to codes as the file stores them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mltoolkit.calibration.grids import LinearGrid, TableGrid
from mltoolkit.calibration.sites import Site
from mltoolkit.calibration.solver import Solution
from mltoolkit.formats.program_weights import AffineCodes, GroupedCodes
from mltoolkit.formats.weights import LinearCodes, TableCodes
from mltoolkit.quantization.modes import Stored
from mltoolkit.quantization.program_forms import block_counts
from mltoolkit.quantization.slots import Form


def stored_codes(site: Site, solution: Solution, form: Form) -> Stored:
    """The codes of one grid for the whole weight.

    Args:
        site: where the weight is used.
        solution: its codes and grid, rounded to what the file holds.
        form: how it is to be stored.
    """
    codes = np.ascontiguousarray(site.from_matrix(solution.codes))
    grid = solution.grid
    if isinstance(grid, TableGrid):
        return TableCodes(codes.reshape(-1), form.nbits, grid.table)
    assert isinstance(grid, LinearGrid)
    if site.slot.in_program:
        return _affine(site, grid, codes, form)
    if grid.scale.size == 1:
        return LinearCodes(codes, form.nbits, grid.scale.reshape(1), grid.bias.reshape(1))
    rows = file_channels(site)
    return LinearCodes(codes, form.nbits, grid.scale.reshape(-1)[rows], grid.bias.reshape(-1)[rows])


def grouped_codes(site: Site, solutions: Sequence[Solution], rows: Sequence[NDArray[np.int32]], form: Form) -> Stored:
    """The codes of tables for groups of output channels.

    Args:
        site: where the weight is used.
        solutions: one for each group.
        rows: the rows of the matrix that each group is.
        form: how it is to be stored.
    """
    matrix = np.empty((1, site.outputs, site.inputs), dtype=np.uint8)
    tables = []
    for solution, own in zip(solutions, rows, strict=True):
        assert isinstance(solution.grid, TableGrid)
        matrix[:, own] = solution.codes
        tables.append(solution.grid.table)
    slot = site.slot
    shape = [1] * len(slot.shape) + [1 << form.nbits, 1]
    shape[slot.channel_axis] = len(tables)
    codes = np.ascontiguousarray(site.from_matrix(matrix))
    return GroupedCodes(codes, form.nbits, np.stack(tables).reshape(shape))


def _affine(site: Site, grid: LinearGrid, codes: NDArray[np.uint8], form: Form) -> AffineCodes:
    """Whole zero points; signed codes count from the middle."""
    counts = block_counts(site.slot, form)
    assert not isinstance(counts, str)  # the plan has asked
    scale = _in_file(site, grid, grid.scale, counts)
    # Codes of such blocks are their zero points, so that any scale will do; 0 is none that Core ML expects.
    scale[scale == 0] = 1
    points = _in_file(site, grid, grid.zero_points, counts)
    middle = 1 << (form.nbits - 1)
    if not form.signed:
        return AffineCodes(codes, form.nbits, scale, points.astype(np.uint8))
    signed = (codes.astype(np.int16) - middle).astype(np.int8)
    none = form.symmetric
    return AffineCodes(signed, form.nbits, scale, None if none else (points - middle).astype(np.int8))


def _in_file(
    site: Site, grid: LinearGrid, parameter: NDArray[np.float32], counts: tuple[int, ...]
) -> NDArray[np.float32]:
    """A number for each block of the file, from those of the matrix."""
    if parameter.size == 1:
        return np.ascontiguousarray(parameter.reshape([1] * len(counts)))
    whole = np.broadcast_to(grid.of_inputs(parameter), (site.groups, site.outputs, site.inputs))
    in_file = site.from_matrix(np.ascontiguousarray(whole))
    steps = tuple(slice(None, None, size // count) for size, count in zip(site.slot.shape, counts, strict=True))
    return np.ascontiguousarray(in_file[steps])


def file_channels(site: Site) -> NDArray[np.int32]:
    """Which row of the (groups, outputs, inputs) matrix each output channel of the file is, flat over groups.

    A channel of a transposed convolution's file is an output of every group; it is the first's that is told.
    """
    rows: NDArray[np.int32] = _rows_by_channel(site)[:, 0]
    return rows


def channels_are_outputs(site: Site) -> bool:
    """Whether the file's output channels are outputs of the operation; a table's that is looked up are its rows."""
    outputs = _rows_by_channel(site) % site.outputs
    return bool(np.all(outputs == outputs[:, :1]))


def _rows_by_channel(site: Site) -> NDArray[np.int32]:
    numbers = np.arange(site.groups * site.outputs, dtype=np.int32).reshape(site.groups, site.outputs, 1)
    matrix = np.ascontiguousarray(np.broadcast_to(numbers, (site.groups, site.outputs, site.inputs)))
    along = np.moveaxis(site.from_matrix(matrix), site.slot.channel_axis, 0)
    rows: NDArray[np.int32] = along.reshape(along.shape[0], -1)
    return rows


def blocks_of_inputs(site: Site, form: Form) -> int:
    """Into how many equal runs of the matrix' inputs the blocks of a form cut them; 0 where they do not."""
    counts = block_counts(site.slot, form)
    if isinstance(counts, str) or isinstance(form.block_size, tuple) or site.groups != 1:
        return 0
    blocks = counts[site.slot.input_axis]
    shape = site.slot.shape
    place = np.arange(shape[site.slot.input_axis], dtype=np.int32) // form.block_size
    expected = np.broadcast_to(
        place.reshape([-1 if axis == site.slot.input_axis else 1 for axis in range(len(shape))]), shape
    )
    runs = np.broadcast_to(
        np.arange(site.inputs, dtype=np.int32) // (site.inputs // blocks), (1, site.outputs, site.inputs)
    )
    return blocks if np.array_equal(site.from_matrix(np.ascontiguousarray(runs)), expected) else 0
