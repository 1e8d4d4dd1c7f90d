"""MaxPool, AveragePool and LpPool over windows, and the global ones."""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np

from mltoolkit.converters.mil.context import NodeContext
from mltoolkit.converters.mil.kinds import cast_to_kind, kind_of
from mltoolkit.converters.mil.registry import writes
from mltoolkit.converters.mil.spatial import Pads, Window, read_window

# Windows of more elements than this are not taken apart into slices.
_MAX_SLICES = 128


@writes("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
def write_global_pool(node: NodeContext) -> Any:
    """The mean, largest element or norm of each channel."""
    mb, x = node.mb, node.input(0)
    axes = list(range(2, x.rank))
    if node.op_type == "GlobalAveragePool":
        return mb.reduce_mean(x=x, axes=axes, keep_dims=True)
    if node.op_type == "GlobalMaxPool":
        return mb.reduce_max(x=x, axes=axes, keep_dims=True)
    power = node.attribute("p", 2)
    if power in (1, 2):
        return getattr(mb, f"reduce_l{power}_norm")(x=x, axes=axes, keep_dims=True)
    total = mb.reduce_sum(x=mb.pow(x=mb.abs(x=x), y=np.float32(power)), axes=axes, keep_dims=True)
    return mb.pow(x=total, y=np.float32(1 / power))


@writes("MaxPool")
def write_max_pool(node: NodeContext) -> Any:
    """MaxPool; with the places of the largest elements where they are asked for."""
    x = node.input(0)
    if len(node.outputs) > 1 and node.outputs[1].name:
        return _with_places(node, x)
    kind = kind_of(x)
    x, window, ends = _window(node, cast_to_kind(node, x, "f"))
    if any(dilation > 1 for dilation in window.dilations):
        slices = _slices(node, _padded(node, x, _joined(node, window, ends), -np.inf), window)
        return cast_to_kind(node, functools.reduce(lambda a, b: node.mb.maximum(x=a, y=b), slices), kind)
    return cast_to_kind(node, _pool(node, "max_pool", x, window, ends), kind)


def _with_places(node: NodeContext, x: Any) -> Any:
    """The largest elements, and for each the index of the first of that size in the whole flattened input."""
    mb, shape = node.mb, node.static_shape(0, "places are counted over the whole input")
    kind = kind_of(x)
    x, window, ends = _window(node, cast_to_kind(node, x, "f"))
    pads = _joined(node, window, ends)
    slices = _slices(node, _padded(node, x, pads, -np.inf), window)
    largest = functools.reduce(lambda a, b: mb.maximum(x=a, y=b), slices)
    numbers = np.arange(math.prod(shape), dtype=np.int32)
    if node.attribute("storage_order", 0):
        order = [0, 1, *reversed(range(2, len(shape)))]
        inverse = np.argsort(order)
        numbers = numbers.reshape([shape[axis] for axis in order]).transpose(inverse)
    numbers = np.pad(numbers.reshape(shape), ((0, 0), (0, 0), *pads))
    places: Any = None
    for values, found in reversed(list(zip(slices, _numpy_slices(numbers, window, slices[0].shape), strict=True))):
        is_largest = mb.equal(x=values, y=largest)
        places = found if places is None else mb.select(cond=is_largest, a=found, b=places)
    return cast_to_kind(node, largest, kind), mb.identity(x=places)


def _numpy_slices(array: np.ndarray[Any, Any], window: Window, shape: tuple[Any, ...]) -> list[np.ndarray[Any, Any]]:
    """What :func:`_slices` gives, of an array."""
    parts = []
    for place in itertools.product(*(range(width) for width in window.kernel)):
        along = [
            slice(index * dilation, index * dilation + (int(count) - 1) * stride + 1, stride)
            for index, dilation, stride, count in zip(place, window.dilations, window.strides, shape[2:], strict=True)
        ]
        parts.append(array[(slice(None), slice(None), *along)])
    return parts


@writes("AveragePool")
def write_average_pool(node: NodeContext) -> Any:
    """AveragePool, with or without counting the padding."""
    x, window, ends = _window(node, node.input(0))
    counted = bool(node.attribute("count_include_pad", 0))
    if any(dilation > 1 for dilation in window.dilations):
        return _dilated_average(node, x, window, ends, counted)
    if counted and window.pads is not None and any(ends):
        # Elements beyond the declared padding, which ceil_mode reaches, are never counted.
        x = _padded(node, x, window.pads, 0.0)
        plain = Window(window.kernel, window.strides, window.dilations, ((0, 0),) * len(ends), "NOTSET")
        return _pool(node, "avg_pool", x, plain, ends, exclude_padding_from_average=True)
    return _pool(node, "avg_pool", x, window, ends, exclude_padding_from_average=not counted)


@writes("LpPool")
def write_lp_pool(node: NodeContext) -> Any:
    """LpPool: the p-norm of each window; padding counts as zeros."""
    mb, power = node.mb, node.attribute("p", 2)
    x, window, ends = _window(node, node.input(0))
    x = mb.mul(x=x, y=x) if power == 2 else mb.abs(x=x)
    if power not in (1, 2):
        x = mb.pow(x=x, y=np.float32(power))
    if any(dilation > 1 for dilation in window.dilations):
        slices = _slices(node, _padded(node, x, _joined(node, window, ends), 0.0), window)
        total = functools.reduce(lambda a, b: mb.add(x=a, y=b), slices)
    else:
        mean = _pool(node, "avg_pool", x, window, ends, exclude_padding_from_average=False)
        total = mb.mul(x=mean, y=np.float32(math.prod(window.kernel)))
    if power == 1:
        return total
    return mb.sqrt(x=total) if power == 2 else mb.pow(x=total, y=np.float32(1 / power))


def _window(node: NodeContext, x: Any) -> tuple[Any, Window, tuple[int, ...]]:
    """The input, its window, and how much further than its pads the window reaches in ceil_mode."""
    sizes = tuple(x.shape[2:])
    if not 1 <= len(sizes) <= 3:
        node.refuse(f"it pools over {len(sizes)} axes", "one to three spatial axes")
    window = read_window(node, tuple(node.attribute("kernel_shape")), sizes)
    if not node.attribute("ceil_mode", 0) or window.auto_pad != "NOTSET":
        return x, window, (0,) * len(sizes)
    assert window.pads is not None
    if not all(isinstance(size, (int, np.integer)) for size in sizes):
        return x, _rounding_up(node, window), (0,) * len(sizes)
    ends = []
    for axis, size in enumerate(node.static_shape(0, "ceil_mode needs to know where its last window ends", first=2)):
        before, after = window.pads[axis]
        stride = window.strides[axis]
        extent = window.dilations[axis] * (window.kernel[axis] - 1) + 1
        count = -(-(size + before + after - extent) // stride) + 1
        if (count - 1) * stride >= size + before:
            count -= 1  # a window that starts in the padding at the end is left out
        ends.append(max((count - 1) * stride + extent - size - before - after, 0))
    return x, window, tuple(ends)


def _rounding_up(node: NodeContext, window: Window) -> Window:
    """The window over sizes that are only known when the model runs, as MIL's own ceil_mode has it."""
    assert window.pads is not None
    even = all(before == after for before, after in window.pads)
    counts_padding = node.op_type != "MaxPool" and any(before for before, _ in window.pads)
    if not even or counts_padding or len(window.kernel) > 2 or any(step > 1 for step in window.dilations):
        node.refuse("its ceil_mode meets a flexible size and padding or dilations", "fixed input shapes")
    return replace(window, rounds_up=True)


def _joined(node: NodeContext, window: Window, ends: tuple[int, ...]) -> Pads:
    if window.pads is None:
        node.refuse("its padding follows from a flexible size", "fixed input shapes")
    return tuple((before, after + more) for (before, after), more in zip(window.pads, ends, strict=True))


def _pool(node: NodeContext, operation: str, x: Any, window: Window, ends: tuple[int, ...], **options: Any) -> Any:
    if window.pads is None:
        if window.auto_pad == "SAME_LOWER" and not node.is_network:
            node.needs(7, "SAME_LOWER over a flexible size")
        padding: dict[str, Any] = {"pad_type": "same" if window.auto_pad == "SAME_UPPER" else "same_lower"}
    else:
        padding = {"pad_type": "custom", "pad": [size for pair in _joined(node, window, ends) for size in pair]}
    if window.rounds_up:
        padding["ceil_mode"] = True
    return getattr(node.mb, operation)(
        x=x, kernel_sizes=list(window.kernel), strides=list(window.strides), **padding, **options
    )


def _padded(node: NodeContext, x: Any, pads: Pads, value: float) -> Any:
    flat = [size for pair in pads for size in pair]
    if not any(flat):
        return x
    return node.mb.pad(x=x, pad=flat, mode="constant", constant_val=np.float32(value))


def _slices(node: NodeContext, x: Any, window: Window) -> list[Any]:
    """For each element of the window what it meets, one value of the result's shape."""
    if math.prod(window.kernel) > _MAX_SLICES:
        node.refuse(f"its window of {window.kernel} is too large to be taken apart", "a window of at most 128 elements")
    sizes = tuple(x.shape[2:])
    if not all(isinstance(size, (int, np.integer)) for size in sizes):
        node.refuse("its dilated window slides over a flexible size", "fixed input shapes")
    counts = [
        (int(size) - dilation * (width - 1) - 1) // stride + 1
        for size, width, stride, dilation in zip(sizes, window.kernel, window.strides, window.dilations, strict=True)
    ]
    values = []
    for place in itertools.product(*(range(width) for width in window.kernel)):
        begin = [index * dilation for index, dilation in zip(place, window.dilations, strict=True)]
        end = [
            start + (count - 1) * stride + 1 for start, count, stride in zip(begin, counts, window.strides, strict=True)
        ]
        values.append(
            node.mb.slice_by_index(
                x=x,
                begin=[0, 0, *begin],
                end=[0, 0, *end],
                stride=[1, 1, *window.strides],
                begin_mask=[True, True] + [False] * len(begin),
                end_mask=[True, True] + [False] * len(begin),
            )
        )
    return values


def _dilated_average(node: NodeContext, x: Any, window: Window, ends: tuple[int, ...], counted: bool) -> Any:
    mb, sizes = node.mb, node.static_shape(0, "its window is dilated", first=2)
    pads = _joined(node, window, ends)
    slices = _slices(node, _padded(node, x, pads, 0.0), window)
    total = functools.reduce(lambda a, b: mb.add(x=a, y=b), slices)
    inner = window.pads if counted and window.pads is not None else ((0, 0),) * len(sizes)
    return mb.real_div(x=total, y=_counts(sizes, window, pads, inner))


def _counts(sizes: tuple[int, ...], window: Window, pads: Pads, counted: Pads) -> np.ndarray[Any, Any]:
    """How many elements of each window count: those of the input and of its counted padding."""
    result = np.ones((1, 1), np.float32)
    for axis, size in enumerate(sizes):
        (before, after), (first, last) = pads[axis], counted[axis]
        ones = np.zeros(before + size + after, np.float32)
        ones[before - first : before + size + last] = 1
        extent = window.dilations[axis] * (window.kernel[axis] - 1) + 1
        starts = range(0, len(ones) - extent + 1, window.strides[axis])
        along = np.array([ones[start : start + extent : window.dilations[axis]].sum() for start in starts], np.float32)
        result = result[..., None] * along
    return result
