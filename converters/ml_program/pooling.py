"""Pooling over one, two or three spatial axes: maximum, average and L2 norm of windows.

1. The maximum does not see padded elements, nor does an average with ``exclude_padding_from_average``; the other
   average counts them as zeros.
2. With ``ceil_mode`` the last window may overhang the padded input (but not start beyond it). Elements out there
   count for nothing, as in PyTorch.
3. L2 is the square root of the sum of squares.
4. A window that sees nothing but padding has the norm 0, and the average 0 where padding counts. It has no maximum
   and no average of what is not padding: such models are refused.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
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

# Windows along a padded axis, whose padding a file can make as wide as it likes; no real model has as many.
_MAX_PADDED = 1 << 24


@dataclass(frozen=True)
class _Pool:
    """A window, the input's spatial sizes, and per axis the number of windows and the padding (before, after)."""

    window: Window
    sizes: tuple[int, ...]
    counts: list[int]
    padding: list[tuple[int, int]]

    @property
    def amounts(self) -> list[tuple[int, int]]:
        """Elements (before, after) the input that windows reach along each axis: what no window reaches is left out."""
        windows = zip(self.sizes, self.counts, self.padding, self.window.kernel, self.window.strides, strict=True)
        return [
            (before, max(0, (count - 1) * stride + taps - size - before))
            for size, count, (before, _), taps, stride in windows
        ]

    @property
    def wide(self) -> bool:
        """Whether a padding is as wide as the kernel, which ONNX has no place for."""
        return any(max(pair) >= taps for pair, taps in zip(self.amounts, self.window.kernel, strict=True))

    @property
    def attributes(self) -> dict[str, Any]:
        """The pool as ONNX attributes; without padding where that is ``wide``."""
        found = attributes(self.window, self.amounts)
        del found["dilations"]
        if self.wide or not any(found["pads"]):
            # With explicit zeros, onnxruntime (1.31 and before) would fuse a preceding Pad of zeros into a
            # MaxPool, which does not see padding: wrong for negative values.
            del found["pads"]
            found["auto_pad"] = "VALID"
        return found

    def elements(self, axis: int, *, padded: bool) -> NDArray[np.int64]:
        """How many elements of the input, or of the padded input, each window along an axis sees."""
        size, taps, (before, after) = self.sizes[axis], self.window.kernel[axis], self.padding[axis]
        first = np.arange(self.counts[axis], dtype=np.int64) * self.window.strides[axis] - before
        lower, upper = (-before, size + after) if padded else (0, size)
        seen: NDArray[np.int64] = np.minimum(first + taps, upper) - np.maximum(first, lower)
        return np.maximum(seen, 0)


def _read(context: MilContext) -> _Pool:
    sizes = spatial_sizes(context)
    window = read_window(context, tuple(context.ints("kernel_sizes")))
    if len(window.kernel) != len(sizes):
        raise InvalidModelError(
            f"a kernel of {len(window.kernel)} axes does not fit an input of {len(sizes)}",
            where=context.where,
        )
    padding = padding_amounts(context, read_pad_type(context), sizes, window)
    counts = []
    for axis, (size, taps, stride, (before, after)) in enumerate(
        zip(sizes, window.kernel, window.strides, padding, strict=True)
    ):
        room = size + before + after - taps
        count = room // stride + 1
        if context.const("ceil_mode", False):
            count = -(room // -stride) + 1
            if (count - 1) * stride >= size + before and before + after > 0:
                count -= 1
        if count < 1:
            raise InvalidModelError(
                f"the kernel spans {taps} elements along axis {axis + 2} but the padded input has only "
                f"{size + before + after}",
                where=context.where,
            )
        if before + after and count > _MAX_PADDED:
            raise UnsupportedModelError(f"there are {count} windows along axis {axis + 2}", where=context.where)
        counts.append(count)
    return _Pool(window, sizes, counts, padding)


def _refuse_empty_windows(context: MilContext, pool: _Pool, *, padded: bool) -> None:
    for axis in range(len(pool.sizes)):
        if not pool.elements(axis, padded=padded).all():
            raise UnsupportedModelError(
                f"windows along axis {axis + 2} see nothing but padding: they have no value", where=context.where
            )


@converts("max_pool")
def convert_max_pool(context: MilContext) -> None:
    """MaxPool, (N, C, *D) → (N, C, *D_out)."""
    pool, x = _read(context), context.value("x")
    _refuse_empty_windows(context, pool, padded=False)
    found, producer = pool.attributes, x.producer()
    # onnxruntime would fuse a Pad before, whose zeros the maximum must see, with this padding.
    if pool.wide or ("pads" in found and producer is not None and producer.op_type == "Pad"):
        x = _pad(context, x, pool, float(np.finfo(np.float32).min))
        found.pop("pads", None)
        found["auto_pad"] = "VALID"
    context.output(context.builder.op("MaxPool", x, attributes=found))


@converts("avg_pool")
def convert_avg_pool(context: MilContext) -> None:
    """AveragePool, (N, C, *D) → (N, C, *D_out)."""
    pool, x = _read(context), context.value("x")
    counts_padding = not context.const("exclude_padding_from_average", False)
    _refuse_empty_windows(context, pool, padded=counts_padding)
    divisors = [pool.elements(axis, padded=counts_padding) for axis in range(len(pool.sizes))]
    context.output(_sums_divided(context, x, pool, divisors))


@converts("l2_pool")
def convert_l2_pool(context: MilContext) -> None:
    """√(Σ x²) of each window, (N, C, *D) → (N, C, *D_out)."""
    pool, x = _read(context), context.value("x")
    _refuse_empty_windows(context, pool, padded=True)
    ones = [np.ones(count, dtype=np.int64) for count in pool.counts]
    context.output(context.op("Sqrt", _sums_divided(context, context.op("Mul", x, x), pool, ones)))


def _pad(context: MilContext, x: ir.Value, pool: _Pool, number: float) -> ir.Value:
    before, after = zip(*pool.amounts, strict=True)
    return context.op("Pad", x, context.constant([0, 0, *before, 0, 0, *after]), context.constant(number))


def _sums_divided(context: MilContext, x: ir.Value, pool: _Pool, divisors: Sequence[NDArray[np.int64]]) -> ir.Value:
    """The sum of each window, divided by the product of the divisors that it has along the axes."""
    if pool.wide:
        x = _pad(context, x, pool, 0.0)
        seen = [np.full(count, taps) for count, taps in zip(pool.counts, pool.window.kernel, strict=True)]
    else:
        seen = [pool.elements(axis, padded=False) for axis in range(len(pool.sizes))]
    # Not ``count_include_pad``, which older releases of onnxruntime get wrong where the amounts differ
    # (microsoft/onnxruntime#26708) and which has no place for elements that overhang.
    mean = context.builder.op("AveragePool", x, attributes=pool.attributes | {"count_include_pad": 0})
    factors = [number / divisor for number, divisor in zip(seen, divisors, strict=True)]
    if all(np.ptp(factor) == 0 for factor in factors):
        product = math.prod(float(factor[0]) for factor in factors)
        return mean if product == 1 else context.op("Mul", mean, context.constant(product))
    for axis, factor in enumerate(factors):
        shape = [1] * (2 + len(factors))
        shape[2 + axis] = factor.size
        mean = context.op("Mul", mean, context.constant(factor.astype(np.float32).reshape(shape)))
    return mean
