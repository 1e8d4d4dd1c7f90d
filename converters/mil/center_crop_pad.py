"""CenterCropPad."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mltoolkit.converters.mil.kinds import as_numbers, kind_of, like
from mltoolkit.converters.mil.registry import writes
from mltoolkit.converters.mil.sizes import is_known, known_shape, non_negative_axis

if TYPE_CHECKING:
    from mltoolkit.converters.mil.context import NodeContext


@writes("CenterCropPad")
def write_center_crop_pad(node: NodeContext) -> Any:
    """Axes cut to a size around their middle, or filled up with zeros; what is odd goes behind."""
    x = node.input(0)
    axes = [non_negative_axis(axis, x.rank) for axis in node.attribute("axes", None) or range(x.rank)]
    wanted = node.ints(1, "shape") or []
    begin, end, masks = [0] * x.rank, [0] * x.rank, [True] * x.rank
    pads = [[0, 0] for _ in range(x.rank)]
    for axis, target in zip(axes, wanted, strict=True):
        if not is_known(x.shape[axis]):
            node.refuse(f"the size of axis {axis} is only known at run time", "a fixed input shape")
        size = int(x.shape[axis])
        if target < size:
            before = (size - target) // 2
            begin[axis], end[axis], masks[axis] = before, before + target, False
        else:
            before = (target - size) // 2
            pads[axis] = [before, target - size - before]
    if not all(masks):
        x = as_numbers(
            node,
            x,
            lambda x: node.mb.slice_by_index(x=x, begin=begin, end=end, begin_mask=masks, end_mask=masks),
        )
    return as_numbers(node, x, lambda x: _surrounded(node, x, pads))


def _surrounded(node: NodeContext, x: Any, pads: list[list[int]]) -> Any:
    """Zeros before and behind each axis; whole numbers, which MIL's ``pad`` takes none of, are joined with them."""
    if not np.any(pads):
        return node.mb.identity(x=x)
    if kind_of(x) == "f" and sum(any(pad) for pad in pads) <= 2:
        return node.mb.pad(x=x, pad=np.array(pads, dtype=np.int32).reshape(-1), mode="constant", constant_val=0.0)
    for axis, pad in enumerate(pads):
        shape = list(known_shape(node, x, "padding"))
        parts = [x]
        for place, count in zip((0, len(parts)), pad, strict=True):
            if count:
                shape[axis] = count
                parts.insert(place if place == 0 else len(parts), like(x, np.zeros(shape)))
        x = node.mb.concat(values=parts, axis=axis) if len(parts) > 1 else x
    return x
