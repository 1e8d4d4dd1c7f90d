"""MatMulInteger, ConvInteger, QLinearMatMul, QLinearConv: products of codes, in float32 where that is exact.

Float32 holds every integer up to 2²⁴. Codes of 8 bits less their zero point are at most 255, so that sums of up to
258 products are exact whatever the order; longer ones are where the constant operand keeps them small enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mltoolkit.converters.mil.kinds import cast_to_kind
from mltoolkit.converters.mil.registry import writes
from mltoolkit.converters.mil.sizes import is_known
from mltoolkit.converters.mil.spatial import read_window

if TYPE_CHECKING:
    from mltoolkit.converters.mil.context import NodeContext

_EXACT = 1 << 24
_GREATEST = 255


@writes("MatMulInteger")
def write_matmul_integer(node: NodeContext) -> Any:
    """(A − a) · (B − b) as int32."""
    a, b = _shifted(node, 0, 2, row=True), _shifted(node, 1, 3, row=False)
    _check_exact(node, a.shape[-1], 1, 3, lambda weights: np.abs(weights).sum(axis=-2 if weights.ndim > 1 else 0).max())
    return node.mb.cast(x=_product(node, a, b), dtype="int32")


@writes("QLinearMatMul")
def write_linear_matmul(node: NodeContext) -> Any:
    """Codes of A · B, from codes of A and of B."""
    a, b = _shifted(node, 0, 2, row=True), _shifted(node, 3, 5, row=False)
    _check_exact(node, a.shape[-1], 3, 5, lambda weights: np.abs(weights).sum(axis=-2 if weights.ndim > 1 else 0).max())
    product = _product(node, a, b)
    factors = [_spread(node, 1, a.rank, row=True), _spread(node, 4, b.rank, row=False)]
    return _requantized(node, product, factors, 6, 7)


@writes("ConvInteger")
def write_conv_integer(node: NodeContext) -> Any:
    """Conv of (x − a) and (w − b) as int32."""
    return node.mb.cast(x=_convolved(node, 0, 1, 2, 3, None), dtype="int32")


@writes("QLinearConv")
def write_linear_conv(node: NodeContext) -> Any:
    """Codes of Conv(x, w), from codes of x and of w; the bias is in units of both scales' product."""
    bias = node.needed_constant(8, "B") if node.has(8) else None
    product = _convolved(node, 0, 3, 2, 5, bias)
    rank = product.rank
    weights = node.constant(4)
    if weights is None or weights.size == 1:
        per_channel = _spread(node, 4, 0, row=True)
    else:
        per_channel = weights.astype(np.float32).reshape([1, -1] + [1] * (rank - 2))
    return _requantized(node, product, [_spread(node, 1, 0, row=True), per_channel], 6, 7)


def _shifted(node: NodeContext, index: int, zero_index: int, *, row: bool) -> Any:
    """Codes less their zero point, as floats; a vector of zero points belongs to rows, or else to columns."""
    x = cast_to_kind(node, node.input(index), "f")
    if not node.has(zero_index):
        return x
    known = node.constant(zero_index)
    if known is not None and not known.any():
        return x
    return node.mb.sub(x=x, y=_spread(node, zero_index, x.rank, row=row))


def _spread(node: NodeContext, index: int, rank: int, *, row: bool) -> Any:
    """A parameter as floats that broadcast: one, or one a row or column."""
    known = node.constant(index)
    if known is not None and known.size == 1:
        return np.float32(known.reshape(-1)[0])
    if known is not None:
        values = known.astype(np.float32)
        return values[..., np.newaxis] if row and values.ndim == 1 and rank > 1 else values
    x = cast_to_kind(node, node.input(index), "f")
    if x.rank == 0 or tuple(x.shape) == (1,):
        return x
    return node.mb.expand_dims(x=x, axes=[1]) if row and x.rank == 1 and rank > 1 else x


def _check_exact(node: NodeContext, terms: Any, weight_index: int, zero_index: int, magnitude: Any) -> None:
    """Refuse sums that float32 may round."""
    weights, zero = node.constant(weight_index), node.constant(zero_index) if node.has(zero_index) else np.zeros(1)
    if weights is not None and zero is not None and zero.size == 1:
        greatest = float(magnitude(weights.astype(np.float64) - float(zero.reshape(-1)[0]))) * _GREATEST
        count = None
    else:
        greatest, count = (float(terms) * _GREATEST**2, terms) if is_known(terms) else (float("inf"), terms)
    if greatest > _EXACT:
        reason = f"its sums reach {greatest:.0f}, and float32 is exact up to {_EXACT}"
        node.refuse(
            reason if count is None else f"{reason} ({count} products)", "DequantizeLinear before MatMul or Conv"
        )


def _product(node: NodeContext, a: Any, b: Any) -> Any:
    mb = node.mb
    if a.rank == 1 or b.rank == 1:
        rows, columns = a.rank == 1, b.rank == 1
        a = mb.expand_dims(x=a, axes=[0]) if rows else a
        b = mb.expand_dims(x=b, axes=[1]) if columns else b
        axes = ([-2] if rows else []) + ([-1] if columns else [])
        return mb.squeeze(x=mb.matmul(x=a, y=b), axes=axes)
    return mb.matmul(x=a, y=b)


def _convolved(node: NodeContext, x_index: int, w_index: int, x_zero: int, w_zero: int, bias: Any) -> Any:
    """The convolution of codes less their zero points, plus a bias of whole numbers."""
    weights = node.needed_constant(w_index, "w").astype(np.float32)
    if node.has(w_zero):
        zero = node.needed_constant(w_zero, "w_zero_point").astype(np.float32)
        weights = weights - (zero.reshape([-1] + [1] * (weights.ndim - 1)) if zero.size > 1 else zero.reshape(-1)[0])
    greatest = float(np.abs(weights).reshape(len(weights), -1).sum(axis=1).max()) * _GREATEST
    greatest += float(np.abs(bias.astype(np.float64)).max()) if bias is not None else 0.0
    if greatest > _EXACT:
        node.refuse(
            f"its sums reach {greatest:.0f}, and float32 is exact up to {_EXACT}", "DequantizeLinear before Conv"
        )
    x = _shifted(node, x_index, x_zero, row=True)
    window = read_window(node, weights.shape[2:], x.shape[2:])
    if window.pads is None:
        node.refuse("its padding depends on a flexible size", "a fixed input shape")
    return node.mb.conv(
        x=x,
        weight=weights,
        bias=None if bias is None else bias.astype(np.float32),
        strides=list(window.strides),
        dilations=list(window.dilations),
        groups=node.attribute("group", 1),
        pad_type="custom",
        pad=window.mil_pads,
    )


def _requantized(node: NodeContext, product: Any, factors: list[Any], scale_index: int, zero_index: int) -> Any:
    """Codes of a product, in the units of the output's scale."""
    mb = node.mb
    dtype = node.output_dtype().numpy()
    limits = np.iinfo(dtype)
    scale = _spread(node, scale_index, product.rank, row=True)
    parts = [*factors, scale]
    if all(not hasattr(part, "op") for part in parts):
        factor: Any = (np.asarray(parts[0]) * np.asarray(parts[1]) / np.asarray(scale)).astype(np.float32)
    else:
        factor = mb.real_div(x=mb.mul(x=factors[0], y=factors[1]), y=scale)
    codes = mb.round(x=mb.mul(x=product, y=factor))
    known = node.constant(zero_index)
    if known is None or known.any():
        codes = mb.add(x=codes, y=_spread(node, zero_index, product.rank, row=True))
    return mb.cast(x=mb.clip(x=codes, alpha=float(limits.min), beta=float(limits.max)), dtype="int32")
