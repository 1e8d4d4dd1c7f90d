"""Height and width enlarged, or reduced, by factors.

The grid's spacing is that of the sizes, not of the factors from which they were rounded ("the scale factor is
recomputed by the output size", MIL's ``upsample_bilinear``; Apple's test of ``upsample_nearest_neighbor`` by
1.12 shows the same).
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.interpolation import SamplingMode
from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.images import on_images
from mltoolkit.converters.ml_program.parameters import MAX_SIZE, check_elements, flag, real_number
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.converters.resizing import NEAREST, resize_bilinear, resize_node
from mltoolkit.errors import InvalidModelError


@converts("upsample_nearest_neighbor")
def convert_upsample_nearest(context: MilContext) -> None:
    """Element ⌊i · X / N⌋ at place i of N on an axis of size X."""
    x, factors = context.value("x"), _factors(context)
    if all(factor.is_integer() for factor in factors):
        check_elements(context, [*context.shape(x), *map(int, factors)])
        resize = partial(resize_node, context.builder, attributes=NEAREST, scales=factors)
        context.output(on_images(context, x, resize) if factors != (1, 1) else x)
        return
    rank = context.rank(x)
    target, sizes = _target(context, x, factors), context.shape(x)[-2:]
    for axis, count, size in zip((rank - 2, rank - 1), target, sizes, strict=True):
        assert isinstance(size, int)
        if count != size:
            indices = np.arange(count, dtype=np.int64) * size // count
            x = context.op("Gather", x, context.constant(indices), axis=axis)
    context.output(x)


@converts("upsample_bilinear")
def convert_upsample_bilinear(context: MilContext) -> None:
    """Bilinear interpolation with aligned corners, half pixels (the default without) or neither."""
    x, factors = context.value("x"), _factors(context)
    aligned = flag(context, "align_corners", True)
    centred = flag(context, "half_pixel_centers", not aligned)
    if aligned and centred:
        raise InvalidModelError("corners cannot be aligned with half_pixel_centers", where=context.where)
    mode = SamplingMode.UNALIGN_CORNERS if centred else SamplingMode.DEFAULT
    if aligned:
        mode = SamplingMode.STRICT_ALIGN_CORNERS
    target = _target(context, x, factors)
    context.output(on_images(context, x, partial(resize_bilinear, context.builder, target=target, mode=mode)))


def _factors(context: MilContext) -> tuple[float, float]:
    height, width = (real_number(context, name, 1) for name in ("scale_factor_height", "scale_factor_width"))
    if not (0 < height <= MAX_SIZE and 0 < width <= MAX_SIZE):
        raise InvalidModelError(f"the scale factors are {height:g} and {width:g}", where=context.where)
    return height, width


def _target(context: MilContext, x: ir.Value, factors: tuple[float, float]) -> tuple[int, int]:
    shape = context.static_shape(x)
    if len(shape) < 2:
        raise InvalidModelError(f"a tensor of shape {shape} has no height and width", where=context.where)
    # The file rounds the factors to float32, which must not cost a pixel: 0.1 · 10 is 1.
    height, width = (
        math.floor(size * factor * (1 + np.finfo(np.float32).eps))
        for size, factor in zip(shape[-2:], factors, strict=True)
    )
    if min(height, width) < 1:
        raise InvalidModelError("the scale factors leave no pixel", where=context.where)
    check_elements(context, [*shape[:-2], height, width])
    return height, width
