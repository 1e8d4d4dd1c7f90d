"""The last axes resized to given sizes.

How the nearest neighbour is found is not documented. coremltools maps TensorFlow's resizing with half pixel
centres to ``resize_nearest_neighbor``, and to ``resize`` with the sampling mode DEFAULT, so both take element
⌊(i + ½) · X / N⌋, as UNALIGN_CORNERS does. With the other modes it is the one nearest to the grid point.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.converters.interpolation import SamplingMode, grid_points
from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.images import on_images
from mltoolkit.converters.ml_program.parameters import check_elements, choice, whole_number
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.converters.ml_program.resize_at_run_time import CELLS, to_run_time_size
from mltoolkit.converters.resizing import NEAREST, mix_axis, resize_bilinear, resize_node
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import dtype_of

_MODES = [mode.value for mode in SamplingMode]


@converts("resize_nearest_neighbor")
def convert_resize_nearest(context: MilContext) -> None:
    """Height and width to a target size."""
    _resize_image(context, SamplingMode.UNALIGN_CORNERS, nearest=True, default=None)


@converts("resize_bilinear")
def convert_resize_bilinear(context: MilContext) -> None:
    """Height and width to a target size, at the grid points of a sampling mode."""
    mode = SamplingMode(choice(context, "sampling_mode", _MODES, "DEFAULT"))
    _resize_image(context, mode, nearest=False, default=1)


def _resize_image(context: MilContext, mode: SamplingMode, *, nearest: bool, default: int | None) -> None:
    x = context.value("x")
    if context.rank(x) < 2:
        raise InvalidModelError(f"a tensor of shape {context.shape(x)} has no height and width", where=context.where)
    target = [whole_number(context, name, default, minimum=1) for name in ("target_size_height", "target_size_width")]
    context.output(_resized(context, x, target, mode, nearest=nearest))


@converts("resize")
def convert_resize(context: MilContext) -> None:
    """The last ``resized_dims`` axes to the last sizes of ``shape``, of which 0 leaves an axis as it is."""
    x, shape = context.value("x"), context.value("shape")
    mode = SamplingMode(choice(context, "sampling_mode", _MODES, "DEFAULT"))
    nearest = choice(context, "interpolation_mode", ("LINEAR", "NEAREST_NEIGHBOR"), "LINEAR") != "LINEAR"
    axes, rank = whole_number(context, "resized_dims", minimum=0), context.rank(x)
    given = context.static_shape(shape)
    if len(given) != 1 or not axes <= given[0] <= rank:
        raise InvalidModelError(
            f"{axes} axes of a tensor of rank {rank} cannot be resized to a shape of shape {given}",
            where=context.where,
        )
    whole = dtype_of(x).kind == "i"
    if whole and not nearest:
        x = context.cast(x, np.float32)
    if shape.const_value is not None:
        sizes = context.static_shape(x)[rank - axes :]
        wanted = context.ints("shape")[given[0] - axes :]
        target = [count or size for count, size in zip(wanted, sizes, strict=True)]
        if min(target, default=1) < 1:
            raise InvalidModelError(f"the shape is {context.ints('shape')}", where=context.where)
        x = _resized(context, x, target, mode, nearest=nearest)
    else:
        for axis in range(rank - axes, rank):
            place = context.constant(given[0] - rank + axis)
            count = context.op("Gather", shape, place)
            x = to_run_time_size(context, x, axis, count, mode, nearest=nearest)
    context.output(context.cast(x, np.int64) if whole else x)


def _resized(context: MilContext, x: ir.Value, target: list[int], mode: SamplingMode, *, nearest: bool) -> ir.Value:
    """The last axes in the sizes of ``target``."""
    shape, first = context.static_shape(x), context.rank(x) - len(target)
    check_elements(context, [*shape[:first], *target])
    if 0 in shape:
        raise InvalidModelError(f"a tensor of shape {shape} cannot be resized", where=context.where)
    if len(target) == 2 and not nearest:
        sizes = (target[0], target[1])
        return on_images(context, x, partial(resize_bilinear, context.builder, target=sizes, mode=mode))
    factors = [count / size for size, count in zip(shape[first:], target, strict=True)]
    whole = all(factor.is_integer() for factor in factors)
    if len(target) == 2 and mode in CELLS and whole and dtype_of(x).kind == "f":
        # No two neighbours are equally near, so that rounding plays no part in what ONNX's Resize finds.
        enlarge = partial(resize_node, context.builder, attributes=NEAREST, scales=factors)
        return on_images(context, x, enlarge) if factors != [1, 1] else x
    for axis, count in enumerate(target, first):
        points = grid_points(mode, shape[axis], count)
        if np.array_equal(points, np.arange(shape[axis])):
            continue
        if nearest:
            indices = context.constant(_nearest(mode, shape[axis], count, points))
            x = context.op("Gather", x, indices, axis=axis)
        else:
            x = mix_axis(context.builder, x, axis, points)
    return x


def _nearest(mode: SamplingMode, size: int, count: int, points: NDArray[np.float64]) -> NDArray[np.int64]:
    if mode in CELLS:
        return (2 * np.arange(count, dtype=np.int64) + 1) * size // (2 * count)
    return np.minimum(np.floor(points + 0.5), size - 1).astype(np.int64)
