"""Resize where sizes are only known when the model runs: each element is picked, or mixed of two neighbours.

Positions are computed in float32 in the order of onnxruntime, so that a position between two elements falls to the same
side. Their operations lie between integers, and so stay float32 in a float16 program.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mltoolkit.converters.mil.kinds import as_floats, as_numbers
from mltoolkit.converters.mil.resize_weights import Resampling, scaled
from mltoolkit.converters.mil.sizes import counted, is_known, size_of

if TYPE_CHECKING:
    from mltoolkit.converters.mil.context import NodeContext

_CLOSEST = "a fixed input shape"
_OPERATIONS = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "real_div": np.divide, "maximum": np.maximum}
# Shares of a float16 program are multiples of this: they are made as integers, since 511.3 is 511.5 in float16.
_SHARES = 2048


def resized_axis(node: NodeContext, x: Any, how: Resampling, axis: int, count: Any, scale: float | None) -> Any:
    """One axis in another size.

    Args:
        node: the node.
        x: the value.
        how: how it is sampled.
        axis: which axis.
        count: the new size, None where the scale tells it.
        scale: the factor, None for the quotient of the sizes.
    """
    size = size_of(node, x, axis)
    if how.mode == "cubic" or how.antialias or how.transformation in ("tf_crop_and_resize", "half_pixel_symmetric"):
        node.refuse(f"a flexible size is resized with mode {how.mode} and {how.transformation}", _CLOSEST)
    if count is None:
        assert scale is not None
        if is_known(size):
            count = scaled(size, scale)
        else:
            length = node.mb.mul(x=_float(node, size), y=np.float32(scale))
            count = node.mb.cast(x=node.mb.floor(x=length), dtype="int32")
    points = _positions(node, how, size, count, scale)
    last = _calculate(node, "sub", _float(node, size), np.float32(1))
    if how.mode == "nearest":
        places = _whole(node, _clipped(node, _rounded(node, points, how.nearest_mode), last))
        return as_numbers(node, x, lambda x: node.mb.gather(x=x, indices=places, axis=axis))
    return as_floats(node, x, lambda x: _mixed(node, x, axis, _clipped(node, points, last), last))


def _positions(node: NodeContext, how: Resampling, size: Any, count: Any, scale: float | None) -> Any:
    numbers = counted(node, count, np.float32)
    length = _float(node, count)
    if how.transformation == "align_corners":
        if scale is not None and not float(scale).is_integer():
            node.refuse(f"a flexible size is enlarged {scale} times with aligned corners", _CLOSEST)
        spread = _calculate(node, "mul", numbers, _calculate(node, "sub", _float(node, size), np.float32(1)))
        steps = _calculate(node, "maximum", _calculate(node, "sub", length, np.float32(1)), np.float32(1))
        return _calculate(node, "real_div", spread, steps)
    factor = np.float32(scale) if scale is not None else _calculate(node, "real_div", length, _float(node, size))
    if how.transformation == "asymmetric":
        return _calculate(node, "real_div", numbers, factor)
    half = np.float32(0.5)
    centres = _calculate(node, "real_div", _calculate(node, "add", numbers, half), factor)
    # pytorch_half_pixel differs for a single element only, whose neighbours are the same but for the mixing.
    if how.transformation == "pytorch_half_pixel" and not is_known(count):
        node.refuse("a size that may be 1 is resized with pytorch_half_pixel", f"half_pixel, or {_CLOSEST}")
    return _calculate(node, "sub", centres, half)


def _rounded(node: NodeContext, points: Any, mode: str) -> Any:
    half = np.float32(0.5)
    if mode == "floor":
        return node.mb.floor(x=points)
    if mode == "ceil":
        return node.mb.ceil(x=points)
    if mode == "round_prefer_ceil":
        return node.mb.floor(x=_calculate(node, "add", points, half))
    return node.mb.ceil(x=_calculate(node, "sub", points, half))


def _mixed(node: NodeContext, x: Any, axis: int, points: Any, last: Any) -> Any:
    """Linear interpolation at positions within the axis."""
    mb = node.mb
    below = mb.floor(x=points)
    share = mb.sub(x=points, y=below)
    if node.precision == "float16":
        codes = mb.cast(x=mb.round(x=mb.mul(x=share, y=np.float32(_SHARES))), dtype="int32")
        share = mb.mul(x=mb.cast(x=codes, dtype="fp32"), y=np.float32(1 / _SHARES))
    above = mb.minimum(x=mb.add(x=below, y=np.float32(1)), y=last)
    shape = [-1] + [1] * (x.rank - 1 - axis)
    share = mb.reshape(x=share, shape=shape)
    first, second = (mb.gather(x=x, indices=_whole(node, places), axis=axis) for places in (below, above))
    return mb.add(x=mb.mul(x=first, y=mb.sub(x=np.float32(1), y=share)), y=mb.mul(x=second, y=share))


def _clipped(node: NodeContext, points: Any, last: Any) -> Any:
    return node.mb.minimum(x=node.mb.maximum(x=points, y=np.float32(0)), y=last)


def _whole(node: NodeContext, points: Any) -> Any:
    return node.mb.cast(x=points, dtype="int32")


def _float(node: NodeContext, size: Any) -> Any:
    """A size as float: a number, or a Var (1,)."""
    return np.float32(size) if is_known(size) else node.mb.cast(x=size, dtype="fp32")


def _calculate(node: NodeContext, operation: str, x: Any, y: Any) -> Any:
    """An operation on floats, done at once where both are known."""
    if all(isinstance(value, np.ndarray | np.generic) for value in (x, y)):
        return _OPERATIONS[operation](x, y)
    return getattr(node.mb, operation)(x=x, y=y)
