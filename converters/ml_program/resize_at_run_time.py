"""Axes resized to sizes that are only known when the model runs; the grid is computed in the graph."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.interpolation import SamplingMode, extent, shift
from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.sizes import counted
from mltoolkit.converters.resizing import mix_neighbours
from mltoolkit.errors import UnsupportedModelError

# Modes in which the nearest neighbour of point i is that of the centre of part i.
CELLS = (SamplingMode.DEFAULT, SamplingMode.UNALIGN_CORNERS)


def to_run_time_size(
    context: MilContext, x: ir.Value, axis: int, wanted: ir.Value, mode: SamplingMode, *, nearest: bool
) -> ir.Value:
    """One axis of a tensor in another size.

    Args:
        context: the operation.
        x: the tensor.
        axis: which.
        wanted: the new size, a scalar; 0 leaves the axis as it is.
        mode: where the axis is sampled.
        nearest: whether single elements are taken, not mixed.

    Raises:
        UnsupportedModelError: the present size is only known when the model runs.
    """
    size = context.shape(x)[axis]
    if not isinstance(size, int):
        raise UnsupportedModelError(
            f"the size of axis {axis} of x must be known before the model runs", where=context.where
        )
    keeps = context.op("Equal", wanted, context.constant(0))
    count = context.op("Where", keeps, context.constant(size), wanted)
    if nearest and mode in CELLS:
        twice = context.op("Mul", counted(context, count), context.constant(2))
        odd = context.op("Mul", context.op("Add", twice, context.constant(1)), context.constant(size))
        indices = context.op("Div", odd, context.op("Mul", count, context.constant(2)))
        return context.op("Gather", x, indices, axis=axis)
    points = _points(context, mode, size, count)
    if nearest:
        rounded = context.op("Floor", context.op("Add", points, _number(context, 0.5)))
        return context.op("Gather", x, context.cast(rounded, np.int64), axis=axis)
    floor = context.op("Floor", points)
    share = context.cast(context.op("Sub", points, floor), np.float32)
    below = context.cast(floor, np.int64)
    above = context.op("Min", context.op("Add", below, context.constant(1)), context.constant(size - 1))
    rest = context.op("Sub", context.constant(1.0), share)
    return mix_neighbours(context.builder, x, axis, below, above, rest, share)


def _points(context: MilContext, mode: SamplingMode, size: int, count: ir.Value) -> ir.Value:
    """The grid points as ``interpolation.grid_points`` has them, float64 (count,)."""
    steps = context.cast(counted(context, count), np.float64)
    if mode.centred:
        steps = context.op("Add", steps, _number(context, 0.5))
    parts = context.cast(count, np.float64)
    if mode.aligned:
        parts = context.op("Max", context.op("Sub", parts, _number(context, 1)), _number(context, 1))
    shares = context.op("Div", steps, parts)
    if mode is SamplingMode.ALIGN_CORNERS:
        single = context.op("Equal", count, context.constant(1))
        shares = context.op("Where", single, _number(context, 0.5), shares)
    spread = context.op("Mul", shares, _number(context, extent(mode, size)))
    shifted = context.op("Add", spread, _number(context, shift(mode)))
    return context.op("Clip", shifted, _number(context, 0), _number(context, size - 1))


def _number(context: MilContext, value: float) -> ir.Value:
    return context.constant(np.array(value, dtype=np.float64))
