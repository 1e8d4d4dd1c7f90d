"""Pooling over one, two or three spatial axes: maximum, average and L2 norm of windows.

1. The maximum does not see padded elements, nor does an average with ``exclude_padding_from_average``; the
  other average
   counts them as zeros.
2. With ``ceil_mode`` the last window may overhang the padded input (but not start beyond it). Elements out
  there count for
   nothing, as in PyTorch.
3. L2 is the square root of the sum of squares.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.converters.ml_program.windows import (
    Window,
    attributes,
    padding_amounts,
    read_pad_type,
    read_window,
    spatial_sizes,
)
from mltoolkit.errors import InvalidModelError, UnsupportedModelError


@dataclass(frozen=True)
class _Pool:
    """A window, the input's spatial sizes, and per axis the padding (before, after) and overhang."""

    window: Window
    sizes: tuple[int, ...]
    padding: list[tuple[int, int]]
    overhang: list[int]

    @property
    def attributes(self) -> dict[str, Any]:
        amounts = [(before, after + over) for (before, after), over in zip(self.padding, self.overhang, strict=True)]
        found = attributes(self.window, amounts)
        del found["dilations"]
        if not any(found["pads"]):
            # With explicit zeros, onnxruntime (1.31 and before) would fuse a preceding Pad of zeros into a
            # MaxPool, which does not see padding: wrong for negative values.
            del found["pads"]
            found["auto_pad"] = "VALID"
        return found


def _read(context: MilContext) -> _Pool:
    sizes = spatial_sizes(context)
    window = read_window(context, tuple(context.ints("kernel_sizes")))
    if len(window.kernel) != len(sizes):
        raise InvalidModelError(
            f"a kernel of {len(window.kernel)} axes does not fit an input of {len(sizes)}",
            where=context.where,
        )
    padding = padding_amounts(context, read_pad_type(context), sizes, window)
    overhang = []
    for axis, (size, taps, stride, (before, after)) in enumerate(
        zip(sizes, window.kernel, window.strides, padding, strict=True)
    ):
        room = size + before + after - taps
        count = room // stride + 1
        over = 0
        if context.const("ceil_mode", False):
            count = -(room // -stride) + 1
            if (count - 1) * stride >= size + before and before + after > 0:
                count -= 1
            over = max(0, (count - 1) * stride + taps - size - before - after)
        if count < 1:
            raise InvalidModelError(
                f"the kernel spans {taps} elements along axis {axis + 2} but the padded input has only "
                f"{size + before + after}",
                where=context.where,
            )
        if max(before, after + over) >= taps:
            raise UnsupportedModelError(
                f"the padding along axis {axis + 2} is not smaller than the kernel of {taps}: windows that "
                "see nothing but padding have no value",
                where=context.where,
            )
        overhang.append(over)
    return _Pool(window, sizes, padding, overhang)


@converts("max_pool")
def convert_max_pool(context: MilContext) -> None:
    """MaxPool, (N, C, *D) → (N, C, *D_out)."""
    pool, x = _read(context), context.value("x")
    found = pool.attributes
    producer = x.producer()
    if "pads" in found and producer is not None and producer.op_type == "Pad":
        # onnxruntime would fuse the Pad before, whose zeros the maximum must see, with this padding.
        half = len(found["pads"]) // 2
        pads = [0, 0, *found["pads"][:half], 0, 0, *found["pads"][half:]]
        x = context.op("Pad", x, context.constant(pads), context.constant(float(np.finfo(np.float32).min)))
        del found["pads"]
        found["auto_pad"] = "VALID"
    context.output(context.builder.op("MaxPool", x, attributes=found))


@converts("avg_pool")
def convert_avg_pool(context: MilContext) -> None:
    """AveragePool, (N, C, *D) → (N, C, *D_out)."""
    pool, x = _read(context), context.value("x")
    mean = _average_of_real(context, x, pool)
    if any(map(any, pool.padding)) and not context.const("exclude_padding_from_average", False):
        mean = _times_counts(context, mean, pool, per_padded=True)
    context.output(mean)


@converts("l2_pool")
def convert_l2_pool(context: MilContext) -> None:
    """√(Σ x²) of each window, (N, C, *D) → (N, C, *D_out)."""
    pool, x = _read(context), context.value("x")
    mean = _average_of_real(context, context.op("Mul", x, x), pool)
    context.output(context.op("Sqrt", _times_counts(context, mean, pool, per_padded=False)))


def _average_of_real(context: MilContext, x: ir.Value, pool: _Pool) -> ir.Value:
    # Not ``count_include_pad``, which older releases of onnxruntime get wrong where the amounts differ
    # (microsoft/onnxruntime#26708) and which has no place for elements that overhang.
    return context.builder.op("AveragePool", x, attributes=pool.attributes | {"count_include_pad": 0})


def _times_counts(context: MilContext, mean: ir.Value, pool: _Pool, *, per_padded: bool) -> ir.Value:
    """Averages over real elements, times their number (over that of real and padded elements)."""
    factors = [_counts(pool, axis, per_padded) for axis in range(len(pool.sizes))]
    if all(np.ptp(factor) == 0 for factor in factors):
        product = math.prod(float(factor[0]) for factor in factors)
        return mean if product == 1 else context.op("Mul", mean, context.constant(product))
    for axis, factor in enumerate(factors):
        shape = [1] * (2 + len(factors))
        shape[2 + axis] = factor.size
        mean = context.op("Mul", mean, context.constant(factor.astype(np.float32).reshape(shape)))
    return mean


def _counts(pool: _Pool, axis: int, per_padded: bool) -> NDArray[np.float64]:
    """Along one axis, the number of real elements in each window (over that of real and padded ones)."""
    size, taps, stride = pool.sizes[axis], pool.window.kernel[axis], pool.window.strides[axis]
    before, after = pool.padding[axis]
    windows = (size + before + after + pool.overhang[axis] - taps) // stride + 1
    first = np.arange(windows, dtype=np.int64) * stride - before
    counts = np.minimum(first + taps, size) - np.maximum(first, 0)
    if not per_padded:
        return counts.astype(np.float64)
    return counts / (np.minimum(first + taps, size + after) - first)
