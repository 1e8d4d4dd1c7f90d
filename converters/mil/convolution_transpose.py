"""ConvTranspose."""

from __future__ import annotations

from typing import Any

import numpy as np

from mltoolkit.converters.mil.context import NodeContext
from mltoolkit.converters.mil.registry import writes
from mltoolkit.converters.mil.sizes import product, reshaped, sizes_of

# The specification, iOS 17's, whose transposed convolution takes a kernel computed while the model runs.
_COMPUTED_KERNELS = 8


@writes("ConvTranspose")
def write_conv_transpose(node: NodeContext) -> Any:
    """ConvTranspose over one to three spatial axes.

    Equal pads on both sides are MIL's own form. Anything else (output_padding, output_shape, unequal pads) is the
    whole product, cut and lengthened by zeros; the bias is added last.
    """
    mb, shape = node.mb, node.shape(0)
    if not 3 <= len(shape) <= 5:
        node.refuse(f"it convolves over {len(shape) - 2} axes", "one to three spatial axes")
    kernel = node.static_shape(1)[2:]
    axes = len(kernel)
    strides = list(node.attribute("strides", [1] * axes))
    dilations = list(node.attribute("dilations", [1] * axes))
    groups = node.attribute("group", 1)
    pads, extra = _pads_and_extra(node, shape[2:], kernel, strides, dilations)
    if node.constant(1) is None and node.opset < _COMPUTED_KERNELS:
        return _with_bias(node, _cut(node, _by_convolution(node, kernel, strides), pads, extra))
    options = {"x": node.input(0), "weight": node.input(1), "strides": strides, "dilations": dilations}
    if any(extra) or any(before != after or before < 0 for before, after in pads):
        whole = mb.conv_transpose(**options, groups=groups, pad_type="valid")
        return _with_bias(node, _cut(node, whole, pads, extra))
    flat = [size for pair in pads for size in pair]
    padding = {"pad_type": "custom", "pad": flat} if any(flat) else {"pad_type": "valid"}
    bias = node.constant(2)
    if bias is not None or not node.has(2):
        bias = None if bias is None else bias.astype(np.float32)
        return mb.conv_transpose(**options, groups=groups, bias=bias, **padding)
    return _with_bias(node, mb.conv_transpose(**options, groups=groups, **padding))


def _with_bias(node: NodeContext, x: Any) -> Any:
    if not node.has(2):
        return x
    return node.mb.add(x=x, y=node.mb.reshape(x=node.input(2), shape=[1, -1] + [1] * (x.rank - 2)))


def _by_convolution(node: NodeContext, kernel: tuple[int, ...], strides: list[int]) -> Any:
    """The whole product as a convolution: zeros between the elements, the kernel turned around."""
    mb, x, weight, axes = node.mb, node.input(0), node.input(1), len(kernel)
    dilated = any(step > 1 for step in node.attribute("dilations", [1]))
    if dilated or node.attribute("group", 1) > 1 or axes > 2:
        node.refuse(
            "its kernel is computed while the model runs, and it has groups, dilations or three axes",
            "format='mlpackage' with minimum_deployment_target='iOS17', or a constant kernel",
        )
    for axis, stride in enumerate(strides, 2):
        if stride > 1:
            sizes = sizes_of(node, x)
            x = mb.expand_dims(x=x, axes=[axis + 1])
            x = mb.pad(x=x, pad=[0, stride - 1] + [0, 0] * (axes + 1 - axis), mode="constant")
            sizes[axis] = product(node, [sizes[axis], stride])
            x = reshaped(node, x, sizes)
            whole = [True] * x.rank
            end = [0 if place != axis else 1 - stride for place in range(x.rank)]
            x = mb.slice_by_index(
                x=x, begin=[0] * x.rank, end=end, begin_mask=whole, end_mask=[stop == 0 for stop in end]
            )
    turned = mb.reverse(x=mb.transpose(x=weight, perm=[1, 0, *range(2, 2 + axes)]), axes=list(range(2, 2 + axes)))
    pads = [size for width in kernel for size in (width - 1, width - 1)]
    return mb.conv(x=x, weight=turned, pad_type="custom", pad=pads)


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
