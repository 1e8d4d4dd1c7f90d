"""Resize and Upsample.

What MIL resizes itself is left to it; every other axis is multiplied with a constant matrix of weights, or its elements
are picked at constant indices.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mltoolkit.converters.interpolation import SamplingMode, grid_points
from mltoolkit.converters.mil.kinds import as_floats, as_numbers
from mltoolkit.converters.mil.registry import writes
from mltoolkit.converters.mil.resize_flexible import resized_axis
from mltoolkit.converters.mil.resize_weights import Axis, Resampling, nearest_elements, outside, scaled, weights
from mltoolkit.converters.mil.sizes import is_known

if TYPE_CHECKING:
    from mltoolkit.converters.mil.context import NodeContext

# How far a weight may be from that of one of Core ML's own grids.
_SAME = 1e-6


@writes("Resize")
def write_resize(node: NodeContext) -> Any:
    """Axes in new sizes, by any mode of ONNX; sizes or scales, and what they belong to, are constant."""
    x = node.input(0)
    how = Resampling(
        mode=node.attribute("mode", "nearest"),
        transformation=node.attribute("coordinate_transformation_mode", "half_pixel"),
        nearest_mode=node.attribute("nearest_mode", "round_prefer_floor"),
        cubic_coefficient=node.attribute("cubic_coeff_a", -0.75),
        exclude_outside=bool(node.attribute("exclude_outside", 0)),
        antialias=bool(node.attribute("antialias", 0)),
        extrapolation_value=node.attribute("extrapolation_value", 0.0),
    )
    axes = [axis % x.rank for axis in node.attribute("axes", None) or range(x.rank)]
    if node.has(3) and not node.has(2) and node.constant(3) is None:
        return _to_computed_sizes(node, x, how, axes)
    scales = _numbers(node, 2, "scales")
    if any(not is_known(x.shape[axis]) for axis in axes if scales is None or scales[axes.index(axis)] != 1):
        return _flexible(node, x, how, axes, scales)
    plan = _plan(node, x, how, axes, scales)
    return _resized(node, x, how, {number: axis for number, axis in plan.items() if _changes(how, axis)})


def _to_computed_sizes(node: NodeContext, x: Any, how: Resampling, axes: list[int]) -> Any:
    """Axes in sizes that are only known when the model runs, such as those of another tensor."""
    if node.attribute("keep_aspect_ratio_policy", "stretch") != "stretch":
        node.refuse("it keeps the aspect ratio for a size that is only known when the model runs", "constant sizes")
    sizes = node.input(3)
    known: list[Any] = [None] * len(axes)
    if sizes.sym_val is not None:
        known = np.reshape(sizes.sym_val, -1).tolist()
    for place, axis in enumerate(axes):
        if known[place] is not None and known[place] == x.shape[axis]:
            continue
        if is_known(known[place]):
            count: Any = int(known[place])
        else:
            count = node.mb.slice_by_index(x=sizes, begin=[place], end=[place + 1])
        x = resized_axis(node, x, how, axis, count, None)
    return x


@writes("Upsample")
def write_upsample(node: NodeContext) -> Any:
    """Resize as opset 9 and before had it: element i · size // count, or linear between neighbours."""
    x, scales = node.input(0), node.needed_constant(1, "scales").reshape(-1).tolist()
    how = Resampling(node.attribute("mode", "nearest"), "asymmetric", "floor", -0.75, False, False, 0.0)
    if any(not is_known(size) for size, scale in zip(x.shape, scales, strict=True) if scale != 1):
        return _flexible(node, x, how, list(range(x.rank)), scales)
    plan = {
        number: Axis(int(size), scaled(int(size), scale), scale)
        for number, (size, scale) in enumerate(zip(x.shape, scales, strict=True))
        if scale != 1
    }
    return _resized(node, x, how, plan)


def _numbers(node: NodeContext, index: int, name: str) -> list[Any] | None:
    """A constant input that ONNX lets be empty instead of missing."""
    if not node.has(index):
        return None
    return node.needed_constant(index, name).reshape(-1).tolist() or None


def _plan(node: NodeContext, x: Any, how: Resampling, axes: list[int], scales: list[float] | None) -> dict[int, Axis]:
    """What becomes of each axis."""
    sizes = [int(x.shape[axis]) if is_known(x.shape[axis]) else 1 for axis in axes]
    windows = [(0.0, 1.0)] * len(axes)
    if how.transformation == "tf_crop_and_resize":
        edges = _numbers(node, 1, "roi")
        if edges is None:
            node.refuse("tf_crop_and_resize needs its input 'roi'")
        windows = list(zip(edges[: len(axes)], edges[len(axes) :], strict=True))
    if scales is not None:
        counts = [scaled(size, scale) for size, scale in zip(sizes, scales, strict=True)]
    else:
        wanted = _numbers(node, 3, "sizes")
        if wanted is None:
            node.refuse("neither scales nor sizes are given")
        policy = node.attribute("keep_aspect_ratio_policy", "stretch")
        factors = [count / size for count, size in zip(wanted, sizes, strict=True)]
        if policy == "stretch":
            counts, scales = wanted, factors
        else:
            factor = min(factors) if policy == "not_larger" else max(factors)
            counts, scales = [math.floor(factor * size + 0.5) for size in sizes], [factor] * len(sizes)
    if min(counts) < 1:
        node.refuse(f"the result would have the sizes {counts}")
    return {
        axis: Axis(size, count, scale, (float(window[0]), float(window[1])))
        for axis, size, count, scale, window in zip(axes, sizes, counts, scales, windows, strict=True)
    }


def _changes(how: Resampling, axis: Axis) -> bool:
    """Whether an axis differs afterwards."""
    if axis.size != axis.count:
        return True
    if how.mode == "nearest":
        return not np.array_equal(nearest_elements(how, axis), np.arange(axis.size))
    return not np.allclose(weights(how, axis), np.eye(axis.size), atol=_SAME)


def _resized(node: NodeContext, x: Any, how: Resampling, plan: dict[int, Axis]) -> Any:
    if not plan:
        return node.mb.identity(x=x)
    if how.mode == "nearest":
        x = _nearest(node, x, how, plan)
    else:
        x = as_floats(node, x, lambda x: _mixed(node, x, how, plan))
    return _extrapolated(node, x, how, plan)


def _nearest(node: NodeContext, x: Any, how: Resampling, plan: dict[int, Axis]) -> Any:
    picks = {number: nearest_elements(how, axis) for number, axis in plan.items()}
    if x.rank in (3, 4) and set(plan) <= {x.rank - 2, x.rank - 1}:
        factors = [1, 1]
        for number, axis in plan.items():
            factor = axis.count // axis.size
            if factor * axis.size == axis.count and np.array_equal(picks[number], np.arange(axis.count) // factor):
                factors[number - x.rank + 2] = factor
        if sum(factor > 1 for factor in factors) == len(plan):
            height, width = factors
            return as_floats(
                node,
                x,
                lambda x: node.mb.upsample_nearest_neighbor(x=x, scale_factor_height=height, scale_factor_width=width),
            )

    def pick(x: Any) -> Any:
        for number, indices in picks.items():
            x = node.mb.gather(x=x, indices=indices, axis=number)
        return x

    return as_numbers(node, x, pick)


def _mixed(node: NodeContext, x: Any, how: Resampling, plan: dict[int, Axis]) -> Any:
    if x.rank in (3, 4) and set(plan) <= {x.rank - 2, x.rank - 1} and how.mode == "linear":
        native = _native_bilinear(node, x, how, plan)
        if native is not None:
            return native
    for number, axis in plan.items():
        x = multiplied(node, x, weights(how, axis), number)
    return x


def _native_bilinear(node: NodeContext, x: Any, how: Resampling, plan: dict[int, Axis]) -> Any:
    """The image resized by Core ML itself, None where none of its grids is the one wanted."""
    shape = x.shape[-2:]
    axes = [plan.get(x.rank - 2 + place) for place in range(2)]
    if not all(is_known(size) for size in shape):
        return None
    counts = [int(size) if axis is None else axis.count for size, axis in zip(shape, axes, strict=True)]
    modes = [SamplingMode.STRICT_ALIGN_CORNERS, SamplingMode.UNALIGN_CORNERS, SamplingMode.DEFAULT]
    for mode in modes:
        same = all(
            axis is None or np.allclose(weights(how, axis), _grid_weights(mode, axis), atol=_SAME) for axis in axes
        )
        # An axis that stays as it is must do so on this grid, too.
        if not same:
            continue
        if node.is_network and mode is SamplingMode.UNALIGN_CORNERS:
            factors = [count // int(size) for count, size in zip(counts, shape, strict=True)]
            if any(factor * int(size) != count for factor, size, count in zip(factors, shape, counts, strict=True)):
                return None
            return node.mb.upsample_bilinear(
                x=x, scale_factor_height=factors[0], scale_factor_width=factors[1], align_corners=False
            )
        return node.mb.resize_bilinear(
            x=x, target_size_height=counts[0], target_size_width=counts[1], sampling_mode=mode.value
        )
    return None


def _grid_weights(mode: SamplingMode, axis: Axis) -> Any:
    """The matrix (count, size) of linear interpolation at the points of one of Core ML's grids."""
    points = grid_points(mode, axis.size, axis.count)
    below = np.minimum(np.floor(points).astype(int), axis.size - 1)
    above = np.minimum(below + 1, axis.size - 1)
    matrix = np.zeros((axis.count, axis.size))
    rows = np.arange(axis.count)
    np.add.at(matrix, (rows, below), 1 - (points - below))
    np.add.at(matrix, (rows, above), points - below)
    return matrix


def multiplied(node: NodeContext, x: Any, matrix: Any, axis: int) -> Any:
    """One axis of a value multiplied with a constant matrix (count, size)."""
    mb, rank = node.mb, x.rank
    if rank == 1:
        return mb.squeeze(x=mb.matmul(x=mb.expand_dims(x=x, axes=[0]), y=np.ascontiguousarray(matrix.T)), axes=[0])
    if axis == rank - 2:
        return mb.matmul(x=matrix, y=x)
    order = [*range(rank)]
    order[axis], order[-1] = rank - 1, axis
    moved = x if axis == rank - 1 else mb.transpose(x=x, perm=order)
    product = mb.matmul(x=moved, y=np.ascontiguousarray(matrix.T))
    return product if axis == rank - 1 else mb.transpose(x=product, perm=order)


def _extrapolated(node: NodeContext, x: Any, how: Resampling, plan: dict[int, Axis]) -> Any:
    for number, axis in plan.items():
        beyond = outside(how, axis)
        if beyond.any():
            shape = [1] * x.rank
            shape[number] = axis.count
            x = node.mb.select(cond=beyond.reshape(shape), a=np.float32(how.extrapolation_value), b=x)
    return x


def _flexible(node: NodeContext, x: Any, how: Resampling, axes: list[int], scales: list[float] | None) -> Any:
    """Axes of flexible size: by Core ML's own operations where whole factors enlarge an image."""
    if scales is None:
        wanted = _numbers(node, 3, "sizes")
        if wanted is None or node.attribute("keep_aspect_ratio_policy", "stretch") != "stretch":
            node.refuse("its input has a flexible shape, of which it keeps the aspect ratio", "a fixed input shape")
        for axis, count in zip(axes, wanted, strict=True):
            if not is_known(x.shape[axis]) or count != x.shape[axis]:
                x = resized_axis(node, x, how, axis, int(count), None)
        return x
    factors = [1.0] * x.rank
    for axis, scale in zip(axes, scales, strict=True):
        factors[axis] = scale
    enlarge = _own_operation(node, x, how, factors)
    if enlarge is not None:
        return as_floats(node, x, lambda x: enlarge(x=x))
    for axis, factor in enumerate(factors):
        if factor != 1:
            x = resized_axis(node, x, how, axis, None, factor)
    return x


def _own_operation(node: NodeContext, x: Any, how: Resampling, factors: list[float]) -> Callable[..., Any] | None:
    """MIL's operation that enlarges an image of whatever size as ONNX does, None where there is none."""
    if any(factor != 1 for factor in factors[:-2]) or not all(float(factor).is_integer() for factor in factors):
        return None
    height, width = (int(factor) for factor in factors[-2:])
    given = {"scale_factor_height": height, "scale_factor_width": width}
    trial = [Axis(7, 7 * factor, float(factor)) for factor in (height, width)]
    if how.mode == "nearest" and all(
        np.array_equal(nearest_elements(how, axis), np.arange(axis.count) * 7 // axis.count) for axis in trial
    ):
        return partial(node.mb.upsample_nearest_neighbor, **given)
    if how.mode != "linear":
        return None
    for aligned, mode in ((True, SamplingMode.STRICT_ALIGN_CORNERS), (False, SamplingMode.UNALIGN_CORNERS)):
        if all(np.allclose(weights(how, axis), _grid_weights(mode, axis), atol=_SAME) for axis in trial):
            return partial(node.mb.upsample_bilinear, **given, align_corners=aligned)
    return None
