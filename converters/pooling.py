"""Maximum, average and L2 norm of windows over the last axes of (N, C, *D), as ONNX.

1. The maximum does not see padded elements, nor does an average of the input alone; the other average counts them
   as zeros.
2. The last window may overhang the padded input. Elements out there count for nothing.
3. L2 is the square root of the sum of squares.
4. A window that sees nothing but padding has the norm 0, and the average 0 where padding counts. It has no maximum
   and no average of the input: such pools are refused.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.errors import UnsupportedModelError
from mltoolkit.graph.builder import GraphBuilder

# Windows along a padded axis, each of which is looked at; no real blob has as many.
_MAX_WINDOWS = 1 << 22


@dataclass(frozen=True)
class PoolAxis:
    """The windows along an axis.

    Attributes:
        name: the axis in messages, such as ``the height``.
        size: elements of the input.
        taps: elements of a window.
        stride: from one window to the next.
        before: padding before the input; the first window starts with it.
        after: padding after the input.
        count: windows. The last may end before or behind the padding.
    """

    name: str
    size: int
    taps: int
    stride: int
    before: int
    after: int
    count: int

    @property
    def reach(self) -> int:
        """Elements behind the input that windows reach."""
        return max(0, self._end - self.size - self.before)

    @property
    def padded(self) -> bool:
        """Whether there is anything around the input."""
        return bool(self.before or self.after or self.reach)

    @property
    def overhangs(self) -> bool:
        """Whether the last window ends behind the padding."""
        return self._end > self.before + self.size + self.after

    @property
    def _end(self) -> int:
        return (self.count - 1) * self.stride + self.taps

    def elements(self, *, padded: bool) -> NDArray[np.int64]:
        """How many elements of the input, or of the padded input, each window sees; one number without padding."""
        if not self.padded:
            return np.array([self.taps], dtype=np.int64)
        first = np.arange(self.count, dtype=np.int64) * self.stride - self.before
        lower, upper = (-self.before, self.size + self.after) if padded else (0, self.size)
        seen: NDArray[np.int64] = np.minimum(first + self.taps, upper) - np.maximum(first, lower)
        return np.maximum(seen, 0)


def max_pool(builder: GraphBuilder, x: ir.Value, axes: Sequence[PoolAxis], where: str) -> ir.Value:
    """The largest element of the input in each window.

    Raises:
        UnsupportedModelError: a window sees nothing but padding.
    """
    _elements(axes, padded=False, where=where)
    attributes, producer = _attributes(axes), x.producer()
    if "pads" in attributes and producer is not None and producer.op_type == "Pad":
        # onnxruntime would fuse the Pad before, whose zeros the maximum must see, with this padding.
        x = _pad(builder, x, axes, float(np.finfo(np.float32).min))
        attributes = _without_pads(attributes)
    return builder.op("MaxPool", x, attributes=attributes)


def average_pool(
    builder: GraphBuilder, x: ir.Value, axes: Sequence[PoolAxis], where: str, *, counts_padding: bool
) -> ir.Value:
    """The mean of each window's elements: those of the padded input, or those of the input.

    Raises:
        UnsupportedModelError: a window sees nothing that counts.
    """
    divisors = _elements(axes, padded=counts_padding, where=where)
    amounts = {amount for axis in axes for amount in (axis.before, axis.after)}
    if counts_padding and len(amounts) == 1 and "pads" in _attributes(axes) and not any(a.overhangs for a in axes):
        # Older releases of onnxruntime get this wrong where the amounts differ (microsoft/onnxruntime#26708).
        pads = [axes[0].before] * 2 * len(axes)
        return builder.op("AveragePool", x, attributes=_attributes(axes) | {"pads": pads, "count_include_pad": 1})
    return _sums_divided(builder, x, axes, divisors)


def l2_pool(builder: GraphBuilder, x: ir.Value, axes: Sequence[PoolAxis], where: str) -> ir.Value:
    """The square root of the sum of the squares in each window.

    Raises:
        UnsupportedModelError: a window starts behind the padding.
    """
    _elements(axes, padded=True, where=where)
    ones = [np.ones(1, dtype=np.int64) for _ in axes]
    return builder.op("Sqrt", _sums_divided(builder, builder.op("Mul", x, x), axes, ones))


def _elements(axes: Sequence[PoolAxis], *, padded: bool, where: str) -> list[NDArray[np.int64]]:
    """See :meth:`PoolAxis.elements`; no window sees none."""
    found = []
    for axis in axes:
        if axis.padded and axis.count > _MAX_WINDOWS:
            raise UnsupportedModelError(f"there are {axis.count} windows along {axis.name}", where=where)
        elements = axis.elements(padded=padded)
        if not elements.all():
            raise UnsupportedModelError(
                f"windows along {axis.name} see nothing but padding: they have no value", where=where
            )
        found.append(elements)
    return found


def _sums_divided(
    builder: GraphBuilder,
    x: ir.Value,
    axes: Sequence[PoolAxis],
    divisors: Sequence[NDArray[np.int64]],
) -> ir.Value:
    """The sum of each window, divided by the product of the divisors that it has along the axes."""
    attributes = _attributes(axes)
    if "pads" in attributes:
        seen = [axis.elements(padded=False) for axis in axes]
    else:
        # What padding there is becomes part of the input, so each window has all its taps.
        seen = [np.array([axis.taps]) for axis in axes]
        if any(axis.before or axis.reach for axis in axes):
            x = _pad(builder, x, axes, 0.0)
    # Not ``count_include_pad``, which has no place for elements that overhang.
    mean = builder.op("AveragePool", x, attributes=attributes | {"count_include_pad": 0})
    factors = [number / divisor for number, divisor in zip(seen, divisors, strict=True)]
    if all(np.ptp(factor) == 0 for factor in factors):
        product = math.prod(float(factor[0]) for factor in factors)
        return mean if product == 1 else builder.op("Mul", mean, builder.constant(product))
    for index, factor in enumerate(factors):
        if np.any(factor != 1):
            shape = [1] * (2 + len(factors))
            shape[2 + index] = factor.size
            mean = builder.op("Mul", mean, builder.constant(factor.astype(np.float32).reshape(shape)))
    return mean


def _attributes(axes: Sequence[PoolAxis]) -> dict[str, Any]:
    """The windows as ONNX attributes, without padding where it is as wide as a window: ONNX has no place for that."""
    found: dict[str, Any] = {
        "kernel_shape": [axis.taps for axis in axes],
        "strides": [axis.stride for axis in axes],
        "pads": [axis.before for axis in axes] + [axis.reach for axis in axes],
    }
    wide = any(max(axis.before, axis.reach) >= axis.taps for axis in axes)
    return _without_pads(found) if wide or not any(found["pads"]) else found


def _without_pads(attributes: dict[str, Any]) -> dict[str, Any]:
    # With explicit zeros, onnxruntime (1.31 and before) would fuse a preceding Pad of zeros into a MaxPool, which
    # does not see padding: wrong for negative values.
    return {name: value for name, value in attributes.items() if name != "pads"} | {"auto_pad": "VALID"}


def _pad(builder: GraphBuilder, x: ir.Value, axes: Sequence[PoolAxis], number: float) -> ir.Value:
    pads = [0, 0, *(axis.before for axis in axes), 0, 0, *(axis.reach for axis in axes)]
    return builder.op("Pad", x, builder.constant(pads), builder.constant(number))
