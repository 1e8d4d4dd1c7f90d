"""ConvTranspose."""

from __future__ import annotations

from typing import Any

import numpy as np

from mltoolkit.converters.mil.context import NodeContext
from mltoolkit.converters.mil.registry import writes


@writes("ConvTranspose")
def write_conv_transpose(node: NodeContext) -> Any:
    """ConvTranspose over one to three spatial axes.

    Equal pads on both sides are MIL's own form. Anything else (output_padding, output_shape, unequal pads) is the
    whole product, cut and lengthened by zeros; the bias is added last.
    """
    mb, shape = node.mb, node.shape(0)
    if not 3 <= len(shape) <= 5:
        node.refuse(f"it convolves over {len(shape) - 2} axes", "one to three spatial axes")
    if node.constant(1) is None:
        node.needs(8, "a transposed convolution whose kernel is computed while the model runs")
    kernel = node.static_shape(1)[2:]
    axes = len(kernel)
    strides = list(node.attribute("strides", [1] * axes))
    dilations = list(node.attribute("dilations", [1] * axes))
    groups = node.attribute("group", 1)
    pads, extra = _pads_and_extra(node, shape[2:], kernel, strides, dilations)
    options = {"x": node.input(0), "weight": node.input(1), "strides": strides, "dilations": dilations}
    bias = None if not node.has(2) else node.needed_constant(2, "B").astype(np.float32)
    if not any(extra) and all(before == after >= 0 for before, after in pads):
        flat = [size for pair in pads for size in pair]
        padding = {"pad_type": "custom", "pad": flat} if any(flat) else {"pad_type": "valid"}
        return mb.conv_transpose(**options, groups=groups, bias=bias, **padding)
    result = mb.conv_transpose(**options, groups=groups, pad_type="valid")
    result = _cut(node, result, pads, extra)
    return result if bias is None else mb.add(x=result, y=bias.reshape([1, -1] + [1] * axes))


def _pads_and_extra(
    node: NodeContext, sizes: tuple[Any, ...], kernel: tuple[int, ...], strides: list[int], dilations: list[int]
) -> tuple[list[tuple[int, int]], list[int]]:
    """What is cut at both ends of each axis, and output_padding."""
    axes = len(kernel)
    extra = list(node.attribute("output_padding", [0] * axes))
    auto_pad = node.attribute("auto_pad", "NOTSET")
    wanted = node.attribute("output_shape", None)
    if wanted is None and auto_pad in ("NOTSET", "VALID"):
        flat = node.attribute("pads", [0] * 2 * axes) if auto_pad == "NOTSET" else [0] * 2 * axes
        return [(flat[axis], flat[axis + axes]) for axis in range(axes)], extra
    full = [dilation * (width - 1) + 1 for width, dilation in zip(kernel, dilations, strict=True)]
    if wanted is None:
        # SAME: the output has size · stride elements, so that what is cut does not depend on the size.
        totals = [full[axis] - strides[axis] + extra[axis] for axis in range(axes)]
    else:
        sizes = node.static_shape(0, "output_shape is fixed", first=2)
        totals = [
            strides[axis] * (sizes[axis] - 1) + extra[axis] + full[axis] - int(wanted[axis - axes])
            for axis in range(axes)
        ]
    for axis, total in enumerate(totals):
        extra[axis] += max(-total, 0)
    halves = [(max(total, 0) // 2, max(total, 0) - max(total, 0) // 2) for total in totals]
    if auto_pad == "SAME_UPPER":
        return halves, extra
    return [(larger, smaller) for smaller, larger in halves], extra


def _cut(node: NodeContext, x: Any, pads: list[tuple[int, int]], extra: list[int]) -> Any:
    """Lengthen the end of each axis by ``extra`` zeros, then cut ``pads`` off both ends."""
    mb = node.mb
    after = [end - more for (_, end), more in zip(pads, extra, strict=True)]
    missing = [max(-size, 0) for size in after]
    if any(missing):
        x = mb.pad(x=x, pad=[size for more in missing for size in (0, more)], mode="constant")
    begin = [0, 0] + [start for start, _ in pads]
    end = [0, 0] + [-max(size, 0) for size in after]
    if not any(begin) and not any(end):
        return x
    return mb.slice_by_index(
        x=x,
        begin=begin,
        end=end,
        begin_mask=[start == 0 for start in begin],
        end_mask=[stop == 0 for stop in end],
    )
