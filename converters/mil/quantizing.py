"""QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear.

    codes = clip(round(x / scale) + zero point)      x = scale · (codes − zero point)

Codes that are constant are decoded here; the walk keeps how they were stored, for a compressed weight. Codes that are
computed travel as int32. From iOS 17 on, those of 8 bits with constant parameters are MIL's own ``quantize`` and
``dequantize``; a pair of both never goes through int32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.converters.mil.kinds import cast_to_kind
from mltoolkit.converters.mil.registry import writes
from mltoolkit.converters.mil.sizes import is_known, known_shape, non_negative_axis
from mltoolkit.graph.quantization_record import AffineRecord, attach_record

if TYPE_CHECKING:
    from mltoolkit.converters.mil.context import NodeContext

_RANGES = {
    ir.DataType.INT4: (-8, 7),
    ir.DataType.UINT4: (0, 15),
    ir.DataType.INT8: (-128, 127),
    ir.DataType.UINT8: (0, 255),
    ir.DataType.INT16: (-32768, 32767),
    ir.DataType.UINT16: (0, 65535),
}
_BITS = {ir.DataType.INT4: 4, ir.DataType.UINT4: 4, ir.DataType.INT8: 8, ir.DataType.UINT8: 8}
_IOS17 = 8


@writes("QuantizeLinear")
def write_quantize(node: NodeContext) -> Any:
    """QuantizeLinear; halves go to even codes."""
    dtype = node.output_dtype()
    if dtype not in _RANGES:
        node.refuse(f"its codes are of type {dtype.name}", "codes of 4, 8 or 16 bits")
    x = cast_to_kind(node, node.input(0), "f")
    scale, zero_point = node.constant(1), node.constant(2) if node.has(2) else np.zeros((), np.int8)
    if _has_native(node, dtype, scale, zero_point) and x.rank:
        assert scale is not None and zero_point is not None
        return node.mb.cast(x=_native(node, x, scale, zero_point, dtype), dtype="int32")
    low, high = _RANGES[dtype]
    codes = node.mb.round(x=node.mb.real_div(x=x, y=_parameter(node, 1, x)))
    if node.has(2) and (zero_point is None or np.any(zero_point)):
        codes = node.mb.add(x=codes, y=_parameter(node, 2, x))
    return node.mb.cast(x=node.mb.clip(x=codes, alpha=float(low), beta=float(high)), dtype="int32")


def _has_native(
    node: NodeContext, dtype: ir.DataType, scale: NDArray[Any] | None, zero_point: NDArray[Any] | None
) -> bool:
    """Whether MIL's own operations have the node's parameters."""
    return (
        node.opset >= _IOS17
        and dtype in (ir.DataType.INT8, ir.DataType.UINT8)
        and scale is not None
        and zero_point is not None
        and not node.attribute("block_size", 0)
        and bool((scale > 0).all())
    )


def _native(node: NodeContext, x: Any, scale: NDArray[Any], zero_point: NDArray[Any], dtype: ir.DataType) -> Any:
    given = _native_parameters(node, x, scale, zero_point, dtype)
    return node.mb.quantize(input=x, output_dtype=dtype.name.lower(), **given)


def _native_parameters(
    node: NodeContext, x: Any, scale: NDArray[Any], zero_point: NDArray[Any], dtype: ir.DataType
) -> dict[str, Any]:
    single = scale.size == 1
    shape = () if single else (-1,)
    given: dict[str, Any] = {
        "scale": scale.astype(np.float32).reshape(shape)[()],
        "zero_point": np.broadcast_to(zero_point, scale.shape).astype(dtype.numpy()).reshape(shape)[()],
    }
    if not single:
        given["axis"] = np.int32(non_negative_axis(node.attribute("axis", 1), x.rank))
    return given


def _parameter(node: NodeContext, index: int, x: Any) -> Any:
    """Scale or zero point as floats that broadcast against the values: an array, or a Var."""
    known = node.constant(index)
    block = node.attribute("block_size", 0)
    axis = non_negative_axis(node.attribute("axis", 1), x.rank) if x.rank else 0
    if known is not None:
        values = known.astype(np.float32)
        if block and values.ndim == x.rank:
            return _repeated(values, axis, block, x.shape[axis])
        if values.size == 1:
            return np.float32(values.reshape(-1)[0])
        return values.reshape([-1 if other == axis else 1 for other in range(x.rank)])
    given = cast_to_kind(node, node.input(index), "f")
    if block and given.rank == x.rank and x.rank:
        return _repeated_var(node, given, axis, block, x)
    if given.rank == 0 or given.shape == (1,):
        return given
    return node.mb.reshape(x=given, shape=[-1 if other == axis else 1 for other in range(x.rank)])


def _repeated(values: NDArray[Any], axis: int, block: int, size: Any) -> NDArray[Any]:
    """Each element of an axis as often as its block is long; the last block may be shorter."""
    whole = np.repeat(values, block, axis)
    return whole if not is_known(size) else np.take(whole, np.arange(int(size)), axis)


def _repeated_var(node: NodeContext, given: Any, axis: int, block: int, x: Any) -> Any:
    size = known_shape(node, x, "quantization in blocks")[axis]
    return node.mb.gather(x=given, indices=(np.arange(size) // block).astype(np.int32), axis=axis)


@writes("DequantizeLinear")
def write_dequantize(node: NodeContext) -> Any:
    """DequantizeLinear."""
    dtype = node.dtype(0)
    if dtype not in _RANGES and dtype != ir.DataType.INT32:
        node.refuse(f"its codes are of type {dtype.name}", "codes of 4, 8 or 16 bits")
    codes, scale = node.constant(0), node.constant(1)
    zero_point = node.constant(2) if node.has(2) else np.zeros((), np.int8)
    if codes is not None and scale is not None and zero_point is not None:
        return _decoded(node, codes, scale, zero_point, dtype)
    x = node.input(0)
    made = _quantized(x)
    if made is not None and _has_native(node, dtype, scale, zero_point) and dtype == _dtype_of(made):
        assert scale is not None and zero_point is not None
        return node.mb.dequantize(input=made, **_native_parameters(node, x, scale, zero_point, dtype))
    value = _before_cast(x)
    if value is None:
        value = cast_to_kind(node, x, "f")
    if node.has(2) and (zero_point is None or np.any(zero_point)):
        value = node.mb.sub(x=value, y=_parameter(node, 2, x))
    return node.mb.mul(x=value, y=_parameter(node, 1, x))


def _quantized(x: Any) -> Any:
    """The 8-bit codes of which a value is the cast, None where it is none."""
    source = x.op.x if x.op is not None and x.op.op_type == "cast" else None
    return source if source is not None and source.op is not None and source.op.op_type == "quantize" else None


def _before_cast(x: Any) -> Any:
    """The whole floats of which a value is the cast, None where it is of others."""
    source = x.op.x if x.op is not None and x.op.op_type == "cast" else None
    if source is None or source.op is None or source.op.op_type != "clip":
        return None
    codes = source.op.x
    if codes.op is not None and codes.op.op_type == "add":
        shift = codes.op.y.val
        codes = codes.op.x if shift is not None and np.array_equal(shift, np.round(shift)) else codes
    return source if codes.op is not None and codes.op.op_type == "round" else None


def _dtype_of(x: Any) -> ir.DataType:
    from coremltools.converters.mil.mil import types

    return ir.DataType[types.builtin_to_string(x.dtype).upper()]


def _decoded(
    node: NodeContext, codes: NDArray[Any], scale: NDArray[Any], zero_point: NDArray[Any], dtype: ir.DataType
) -> NDArray[np.float32]:
    """The values of constant codes; how they are stored is noted on the node's output."""
    axis = non_negative_axis(node.attribute("axis", 1), codes.ndim) if codes.ndim else 0
    block = node.attribute("block_size", 0)
    factors, offsets = scale.astype(np.float32), np.broadcast_to(zero_point, scale.shape).astype(np.float32)
    blocks = [1] * codes.ndim
    if block and factors.ndim == codes.ndim:
        recorded = factors, offsets
        factors, offsets = (_repeated(values, axis, block, codes.shape[axis]) for values in recorded)
    else:
        if factors.size > 1:
            blocks[axis] = -1
        recorded = factors.reshape(blocks), offsets.reshape(blocks)
        factors, offsets = recorded
    bits = _BITS.get(dtype)
    if bits is not None and codes.ndim and (not block or codes.shape[axis] % block == 0):
        signed = _RANGES[dtype][0] < 0
        attach_record(node.outputs[0], AffineRecord(bits, signed, recorded[0], recorded[1]))
    values: NDArray[np.float32] = ((codes.astype(np.float32) - offsets) * factors).astype(np.float32)
    return values


@writes("DynamicQuantizeLinear")
def write_dynamic_quantize(node: NodeContext) -> Any:
    """Codes of 8 bits for the range of the values, which always holds 0; the scale; the zero point."""
    mb, x = node.mb, node.input(0)
    axes = list(range(x.rank))
    low = mb.minimum(x=mb.reduce_min(x=x, axes=axes, keep_dims=False), y=np.float32(0))
    high = mb.maximum(x=mb.reduce_max(x=x, axes=axes, keep_dims=False), y=np.float32(0))
    scale = mb.real_div(x=mb.sub(x=high, y=low), y=np.float32(255))
    shift = mb.clip(x=mb.round(x=mb.real_div(x=mb.sub(x=np.float32(0), y=low), y=scale)), alpha=0.0, beta=255.0)
    codes = mb.add(x=mb.round(x=mb.real_div(x=x, y=scale)), y=shift)
    codes = mb.clip(x=codes, alpha=0.0, beta=255.0)
    return mb.cast(x=codes, dtype="int32"), scale, mb.cast(x=shift, dtype="int32")
