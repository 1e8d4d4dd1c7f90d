"""Bits of whole numbers, which MIL knows no operations for: BitShift, BitwiseAnd, BitwiseOr, BitwiseXor, BitwiseNot.

Bit k of a number is ⌊x / 2ᵏ⌋ mod 2, of negative numbers in two's complement too, when quotients are rounded down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.converters.mil.integers import is_unsigned, wrapped
from mltoolkit.converters.mil.kinds import like
from mltoolkit.converters.mil.registry import writes
from mltoolkit.converters.mil.sizes import is_known

if TYPE_CHECKING:
    from mltoolkit.converters.mil.context import NodeContext

_BITS = 31


@writes("BitwiseNot")
def write_not(node: NodeContext) -> Any:
    """−1 − x, or the largest number of an unsigned type less x."""
    dtype = node.dtype(0)
    _check_width(node, dtype)
    if is_unsigned(dtype) and dtype.itemsize > 2:
        node.refuse(f"numbers of type {dtype.name} that are inverted do not fit int32", "signed or narrower numbers")
    highest = int(np.iinfo(dtype.numpy()).max) if is_unsigned(dtype) else -1
    return node.mb.sub(x=np.int32(highest), y=node.input(0))


@writes("BitwiseAnd", "BitwiseOr", "BitwiseXor")
def write_bitwise(node: NodeContext) -> Any:
    """The operation on each bit, and the bits put together again."""
    mb, dtype = node.mb, node.dtype(0)
    _check_width(node, dtype)
    count = min(_BITS, 8 * int(dtype.itemsize))
    x, y = (_bits(node, node.input(index), count) for index in range(2))
    both = mb.mul(x=x, y=y)
    if node.op_type == "BitwiseAnd":
        result = both
    else:
        either = mb.add(x=x, y=y)
        result = mb.sub(x=either, y=both if node.op_type == "BitwiseOr" else mb.mul(x=both, y=np.int32(2)))
    # The last bit is the sign; the powers are those of int32, whose lowest number is −2³¹.
    powers = np.array([1 << bit for bit in range(count)] + [-(1 << count)], dtype=np.int64).astype(np.int32)
    return mb.reduce_sum(x=mb.mul(x=result, y=powers), axes=[-1], keep_dims=False)


def _check_width(node: NodeContext, dtype: ir.DataType) -> None:
    if node.is_network and dtype.itemsize > 2:
        node.refuse(
            f"a neural network computes in float32, which has not all bits of {dtype.name}", "format='mlpackage'"
        )


def _bits(node: NodeContext, x: Any, count: int) -> Any:
    """The bits of each number along a new last axis, the sign last: [..., count + 1]."""
    mb = node.mb
    if x.rank > 4:
        node.refuse(f"its input has {x.rank} axes, and Core ML holds no more than 5", "four axes")
    wide = mb.expand_dims(x=x, axes=[-1])
    powers: NDArray[np.int32] = (1 << np.arange(count, dtype=np.int64)).astype(np.int32)
    bits = mb.mod(x=mb.floor_div(x=wide, y=powers), y=np.int32(2))
    sign = mb.cast(x=mb.less(x=wide, y=np.int32(0)), dtype="int32")
    return mb.concat(values=[bits, sign], axis=x.rank)


@writes("BitShift")
def write_shift(node: NodeContext) -> Any:
    """x · 2ⁿ, of which the type's bits are kept, or ⌊x / 2ⁿ⌋; a negative n shifts everything out."""
    mb, x, amount = node.mb, node.input(0), node.input(1)
    dtype = node.dtype(0)
    width = 8 * int(dtype.itemsize)
    if amount.rank and not all(is_known(size) for size in amount.shape):
        node.refuse("the shape of the amounts is only known at run time")
    if not is_unsigned(dtype):
        amount = mb.select(cond=mb.less(x=amount, y=np.int32(0)), a=like(amount, 32), b=amount)
    if node.attribute("direction") == "LEFT":
        if width > 16:
            _check_width(node, dtype)
            return _shifted_left(node, x, mb.minimum(x=amount, y=np.int32(32)))
        amount = mb.minimum(x=amount, y=np.int32(width))
        # The bits that stay: neither they nor the product leave float32's whole numbers.
        stay = mb.mod(x=x, y=_power(node, mb.sub(x=np.int32(width), y=amount)))
        return wrapped(node, mb.mul(x=stay, y=_power(node, amount)), dtype)
    _check_width(node, dtype)
    # In two steps, since 2³¹ is no number of int32.
    first = mb.minimum(x=amount, y=np.int32(16))
    second = mb.minimum(x=mb.sub(x=amount, y=first), y=np.int32(16))
    return mb.floor_div(x=mb.floor_div(x=x, y=_power(node, first)), y=_power(node, second))


def _shifted_left(node: NodeContext, x: Any, amount: Any) -> Any:
    """x · 2ⁿ of 32 bits, n from 0 to 32, through two halves of 16, so that no product leaves int32."""
    mb, half = node.mb, np.int32(1 << 16)
    high, low = mb.floor_div(x=x, y=half), mb.mod(x=x, y=half)
    for _ in range(3):
        step = mb.minimum(x=amount, y=np.int32(15))
        amount = mb.sub(x=amount, y=step)
        factor = _power(node, step)
        moved = mb.mul(x=low, y=factor)
        low = mb.mod(x=moved, y=half)
        high = mb.add(x=mb.mul(x=high, y=factor), y=mb.floor_div(x=moved, y=half))
        high = wrapped(node, high, ir.DataType.INT16)
    return mb.add(x=mb.mul(x=high, y=half), y=low)


def _power(node: NodeContext, exponent: Any) -> Any:
    """2ⁿ for n from 0 to 16, looked up."""
    mb = node.mb
    powers: NDArray[np.int32] = (1 << np.arange(17)).astype(np.int32)
    flat = mb.gather(x=powers, indices=mb.reshape(x=exponent, shape=[-1]), axis=0)
    if not exponent.rank:
        return mb.squeeze(x=flat, axes=[0])
    return mb.reshape(x=flat, shape=np.array(exponent.shape, dtype=np.int32))
