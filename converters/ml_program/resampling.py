"""Images sampled at points that the model computes: resample and affine.

The points are brought to pixels (0 is the first one's centre), moved into the image as the padding asks, and
then to what ONNX's GridSample takes: −1 … 1 from the first to the last pixel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.parameters import (
    check_elements,
    check_rank,
    choice,
    flag,
    real_number,
    whole_number,
)
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.converters.ml_program.sizes import reshaped
from mltoolkit.errors import InvalidModelError, UnsupportedModelError

_SAMPLING = {"bilinear": "linear", "nearest": "nearest"}
_PADDING = ("constant", "border", "reflection", "symmetric")
_COORDINATES = ("unnormalized", "normalized_minus_one_to_one", "normalized_zero_to_one")


@converts("resample")
def convert_resample(context: MilContext) -> None:
    """[B, C, H, W] at points (x, y) of shape [B, H', W', 2] → [B, C, H', W']."""
    check_rank(context, "x", 4)
    check_rank(context, "coordinates", 4)
    image, points = context.value("x"), context.cast(context.value("coordinates"), np.float32)
    if context.shape(points)[3] not in (2, None):
        raise InvalidModelError(f"the coordinates have shape {context.shape(points)}", where=context.where)
    height, width = context.static_shape(image)[2:]
    sizes = [width, height]
    nearest = choice(context, "sampling_mode", _SAMPLING) == "nearest"
    padding = choice(context, "padding_mode", _PADDING)
    points = _in_pixels(context, points, sizes)
    if padding == "constant":
        # One more pixel around holds the value: beyond it, the border is repeated.
        value = context.constant(real_number(context, "padding_value", 0.0))
        image = context.op("Pad", image, context.constant([0, 0, 1, 1, 0, 0, 1, 1]), value)
        # Rounded before they move by an odd number, which would make even ones of odd ones.
        points = _add(context, context.op("Round", points) if nearest else points, [1, 1])
        sizes = [size + 2 for size in sizes]
    elif padding == "reflection":
        points = _mirrored(context, points, [max(1, size - 1) for size in sizes])
    elif padding == "symmetric":
        points = _mirrored(context, _add(context, points, [0.5, 0.5]), sizes)
        points = _add(context, points, [-0.5, -0.5])
    if nearest:
        # Half pixels go to the even one, as in PyTorch; GridSample would see them off by a rounding error.
        points = context.op("Round", points)
    grid = _scale(context, points, [2 / max(size - 1, 1) for size in sizes])
    grid = _add(context, grid, [-1, -1])
    mode = "nearest" if nearest else "linear"
    context.output(context.op("GridSample", image, grid, mode=mode, padding_mode="border", align_corners=1))


def _in_pixels(context: MilContext, points: ir.Value, sizes: list[int]) -> ir.Value:
    """What the operation's coordinates mean; without aligned corners an image ends half a pixel further."""
    mode = choice(context, "coordinates_mode", _COORDINATES)
    if mode == "unnormalized":
        return points
    aligned = flag(context, "align_corners", True)
    if mode == "normalized_minus_one_to_one":
        points = _scale(context, _add(context, points, [1, 1]), [0.5, 0.5])
    points = _scale(context, points, [size - 1 if aligned else size for size in sizes])
    return points if aligned else _add(context, points, [-0.5, -0.5])


def _mirrored(context: MilContext, points: ir.Value, lengths: list[int]) -> ir.Value:
    """Points folded into 0 … length, where mirrors stand at both ends."""
    period = _pair(context, [2 * length for length in lengths])
    folded = context.op("Mod", context.op("Abs", points), period, fmod=1)
    return context.op("Min", folded, context.op("Sub", period, folded))


def _pair(context: MilContext, numbers: Sequence[float]) -> ir.Value:
    return context.constant(np.array(numbers, dtype=np.float32))


def _add(context: MilContext, points: ir.Value, numbers: Sequence[float]) -> ir.Value:
    return context.op("Add", points, _pair(context, numbers))


def _scale(context: MilContext, points: ir.Value, numbers: Sequence[float]) -> ir.Value:
    return context.op("Mul", points, _pair(context, numbers))


@converts("affine")
def convert_affine(context: MilContext) -> None:
    """[B, C, H, W] at (a₀x + a₁y + a₂, b₀x + b₁y + b₂) for the points (x, y) of the target, in −1 … 1.

    Core ML itself knows one mode each. A target axis of size 1 is sampled at 0, as PyTorch does.
    """
    check_rank(context, "x", 4)
    check_rank(context, "transform_matrix", 2)
    _check_affine_modes(context)
    image, matrix = context.value("x"), context.value("transform_matrix")
    height, width = (whole_number(context, name, minimum=1) for name in ("output_height", "output_width"))
    batch, matrices = context.static_shape(image)[0], context.static_shape(matrix)
    if matrices[1] != 6 or matrices[0] not in (1, batch):
        raise InvalidModelError(
            f"transform_matrix has shape {matrices} where [1 or {batch}, 6] is needed", where=context.where
        )
    check_elements(context, [*context.shape(image)[:2], height, width])
    check_elements(context, [batch, height, width, 2])
    across, down = (np.linspace(-1, 1, count) if count > 1 else np.zeros(1) for count in (width, height))
    factors = [
        reshaped(context, context.op("Gather", matrix, context.constant([k, k + 3]), axis=1), [-1, 1, 1, 2])
        for k in range(3)
    ]
    grid = factors[2]
    shapes = ([1, 1, width, 1], [1, height, 1, 1])
    for values, shape, factor in zip((across, down), shapes, factors[:2], strict=True):
        base = context.constant(values.astype(np.float32).reshape(shape))
        grid = context.op("Add", context.op("Mul", base, factor), grid)
    if matrices[0] != batch:
        grid = context.op("Expand", grid, context.constant([batch, 1, 1, 1]))
    context.output(context.op("GridSample", image, grid, mode="linear", padding_mode="zeros", align_corners=1))


def _check_affine_modes(context: MilContext) -> None:
    choice(context, "sampling_mode", ("bilinear",))
    choice(context, "padding_mode", ("constant",))
    choice(context, "coordinates_mode", ("normalized_minus_one_to_one",))
    if real_number(context, "padding_value", 0.0) != 0 or not flag(context, "align_corners", True):
        raise UnsupportedModelError(
            "affine is defined for aligned corners and a padding of 0 only", where=context.where
        )
