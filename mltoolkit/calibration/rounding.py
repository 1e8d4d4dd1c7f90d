"""Rounding a layer's weights to a grid, column by column, so that the error of the layer's output is small.

``compensated`` is GPTQ (Frantar et al., arXiv:2210.17323): after the weights of an input are rounded, those of the
inputs still to come make up for the error as far as they correlate. ``descended`` then goes through the inputs
again: each weight takes the grid's value nearest to where the loss, all others fixed, has its minimum.
Both treat all groups and outputs at once, and the inputs in blocks, so that most of the work is matrix products.
"""

from __future__ import annotations

import numpy as np

from mltoolkit.calibration.grids import Codes, Grid, Weights
from mltoolkit.calibration.problem import Problem

_BLOCK = 96


def compensated(problem: Problem, grid: Grid) -> Codes:
    """The codes (groups, outputs, inputs) that GPTQ finds."""
    order, factor = problem.order, problem.compensation
    inputs = order.size
    values: Weights = np.ascontiguousarray(problem.target[..., order])
    ordered: Codes = np.empty(values.shape, dtype=np.uint8)
    for start in range(0, inputs, _BLOCK):
        stop = min(start + _BLOCK, inputs)
        block = values[..., start:stop].copy()
        errors = np.empty_like(block)
        for column in range(stop - start):
            place = start + column
            value = block[..., column : column + 1]
            codes = grid.round(value, order[place : place + 1])
            ordered[..., place : place + 1] = codes
            error = (value - grid.decode(codes, order[place : place + 1])) / factor[:, place, place, None, None]
            errors[..., column : column + 1] = error
            block[..., column + 1 :] -= error * factor[:, None, place, place + 1 : stop]
        values[..., stop:] -= errors @ factor[:, start:stop, stop:]
    result = np.empty_like(ordered)
    result[..., order] = ordered
    return result


def descended(problem: Problem, grid: Grid, codes: Codes) -> Codes:
    """Codes after one round of coordinate descent: q_j ← nearest(q_j − [(Q − T) H]_j / H_jj)."""
    order, hessian = problem.order, problem.hessian
    result = codes.copy()
    weights = grid.decode(codes)
    slope = (weights - problem.target) @ hessian
    curvature = problem.importance[:, None, :]
    for start in range(0, order.size, _BLOCK):
        columns = order[start : start + _BLOCK]
        within = hessian[:, columns][:, :, columns]
        now, towards, steep = weights[..., columns], slope[..., columns], curvature[..., columns]
        moved = np.empty_like(now)
        for column in range(columns.size):
            only = columns[column : column + 1]
            old = now[..., column : column + 1]
            wanted = (old - towards[..., column : column + 1] / steep[..., column : column + 1]).astype(np.float32)
            best = grid.round(wanted, only)
            change = grid.decode(best, only) - old
            result[..., only] = best
            moved[..., column : column + 1] = change
            if column + 1 < columns.size:
                towards[..., column + 1 :] += change * within[:, None, column, column + 1 :]
        if moved.any():
            slope += moved @ hessian[:, columns]
    return result
