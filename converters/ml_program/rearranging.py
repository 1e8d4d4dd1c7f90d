"""Blocks of pixels moved to channels or to the batch, and back; borders cut off.

Sources of the orders: tf.nn.depth_to_space and space_to_batch, torch.nn.PixelShuffle and PixelUnshuffle.
"""

from __future__ import annotations

import onnx_ir as ir

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.parameters import (
    check_elements,
    check_rank,
    whole_number,
    whole_numbers,
)
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.converters.ml_program.sizes import reshaped, sizes_of
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import Dimension

_TO_SPACE = {"depth_to_space": ("block_size", "DCR"), "pixel_shuffle": ("upscale_factor", "CRD")}
# An end of a slice behind every axis.
_FAR = 1 << 62


def _check_divides(context: MilContext, name: str, size: Dimension, divisor: int) -> None:
    if isinstance(size, int) and size % divisor:
        raise InvalidModelError(f"the {name}, {size}, is no multiple of {divisor}", where=context.where)


@converts(*_TO_SPACE)
def convert_to_space(context: MilContext) -> None:
    """[N, C, H, W] → [N, C / b², H · b, W · b]."""
    name, order = _TO_SPACE[context.operation.type]
    block = whole_number(context, name, minimum=1)
    check_rank(context, "x", 4)
    _check_divides(context, "number of channels", context.shape("x")[1], block * block)
    context.output(context.op("DepthToSpace", context.value("x"), blocksize=block, mode=order))


@converts("space_to_depth")
def convert_space_to_depth(context: MilContext) -> None:
    """[N, C, H, W] → [N, C · b², H / b, W / b]; a block's pixels are slower than the channels."""
    block = whole_number(context, "block_size", minimum=1)
    check_rank(context, "x", 4)
    for name, size in zip(("height", "width"), context.shape("x")[2:], strict=True):
        _check_divides(context, name, size, block)
    context.output(context.op("SpaceToDepth", context.value("x"), blocksize=block))


@converts("pixel_unshuffle")
def convert_pixel_unshuffle(context: MilContext) -> None:
    """[N, C, H, W] → [N, C · f², H / f, W / f]; a block's pixels are faster than the channels."""
    factor = whole_number(context, "downscale_factor", minimum=1)
    check_rank(context, "x", 4)
    batch, channels, height, width = context.static_shape("x")
    _check_divides(context, "height", height, factor)
    _check_divides(context, "width", width, factor)
    apart = [batch, channels, height // factor, factor, width // factor, factor]
    blocks = context.op("Reshape", context.value("x"), context.constant(apart))
    blocks = context.op("Transpose", blocks, perm=[0, 1, 3, 5, 2, 4])
    together = [batch, channels * factor * factor, height // factor, width // factor]
    context.output(context.op("Reshape", blocks, context.constant(together)))


@converts("space_to_batch")
def convert_space_to_batch(context: MilContext) -> None:
    """[N, C, H, W], padded with zeros → [b · c · N, C, H / b, W / c] for blocks of (b, c)."""
    blocks, pads = _blocks(context, "paddings")
    x = context.value("x")
    batch, channels = context.shape(x)[:2]
    padded = [size + sum(pad) for size, pad in zip(context.static_shape(x)[2:], pads, strict=True)]
    for name, size, block in zip(("height", "width"), padded, blocks, strict=True):
        _check_divides(context, f"padded {name}", size, block)
    check_elements(context, [batch, channels, *padded])
    if any(map(any, pads)):
        (top, bottom), (left, right) = pads
        x = context.op("Pad", x, context.constant([0, 0, top, left, 0, 0, bottom, right]))
    rows, columns = (size // block for size, block in zip(padded, blocks, strict=True))
    x = reshaped(context, x, sizes_of(context, x, 0, 2), [rows, blocks[0], columns, blocks[1]])
    x = context.op("Transpose", x, perm=[3, 5, 0, 1, 2, 4])
    context.output(reshaped(context, x, [-1], sizes_of(context, x, 3, 6)))


@converts("batch_to_space")
def convert_batch_to_space(context: MilContext) -> None:
    """[b · c · N, C, H, W] → [N, C, H · b, W · c] for blocks of (b, c), of which borders are cut off."""
    blocks, crops = _blocks(context, "crops")
    x = context.value("x")
    _check_divides(context, "batch", context.shape(x)[0], blocks[0] * blocks[1])
    rows, columns = context.static_shape(x)[2:]
    x = reshaped(context, x, [*blocks, -1], sizes_of(context, x, 1))
    x = context.op("Transpose", x, perm=[2, 3, 4, 0, 5, 1])
    x = reshaped(context, x, sizes_of(context, x, 0, 2), [rows * blocks[0], columns * blocks[1]])
    context.output(_cropped(context, x, crops))


def _blocks(context: MilContext, amounts: str) -> tuple[list[int], list[list[int]]]:
    check_rank(context, "x", 4)
    blocks = whole_numbers(context, "block_shape", 2, minimum=1)
    top, bottom, left, right = whole_numbers(context, amounts, 4, minimum=0)
    return blocks, [[top, bottom], [left, right]]


@converts("crop")
def convert_crop(context: MilContext) -> None:
    """(…, H, W) without some rows at the top and bottom, and columns at the left and right."""
    x = context.value("x")
    if context.rank(x) < 2:
        raise InvalidModelError(f"a tensor of shape {context.shape(x)} has no height and width", where=context.where)
    crops = [whole_numbers(context, name, 2, minimum=0) for name in ("crop_height", "crop_width")]
    context.output(_cropped(context, x, crops))


def _cropped(context: MilContext, x: ir.Value, crops: list[list[int]]) -> ir.Value:
    """Elements cut off before and behind the last two axes."""
    rank = context.rank(x)
    for size, crop in zip(context.shape(x)[-2:], crops, strict=True):
        if isinstance(size, int) and sum(crop) > size:
            raise InvalidModelError(f"{sum(crop)} elements of {size} are cut off", where=context.where)
    starts = context.constant([before for before, _ in crops])
    ends = context.constant([-behind if behind else _FAR for _, behind in crops])
    return context.op("Slice", x, starts, ends, context.constant([rank - 2, rank - 1]))
