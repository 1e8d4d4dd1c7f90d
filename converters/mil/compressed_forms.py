"""The ways in which an ML Program can hold a compressed weight, and what each takes.

    constexpr_cast                       iOS 16  float16 values of a float32 program
    constexpr_lut_to_dense               iOS 16  one table of 2, 4, 16, 64 or 256 entries; iOS 18 one a block, also of 8
    constexpr_affine_dequantize          iOS 16  8 bits, whole zero point, one scale or one a channel
    constexpr_sparse_to_dense            iOS 16  a bit mask, and the values that are not zero
    constexpr_blockwise_shift_scale      iOS 18  4 or 8 bits, any offset, a scale a block; of looked-up codes: any bits

A weight of n bits that share one scale is a table of 2**n entries too: that is how float biases, which iOS 16 has no
operation for, and 1 to 7 bits are kept there. Source: coremltools, ``mil/ops/defs/iOS16`` and ``iOS18``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.formats.mil_bits import pack_elements, packed_bytes
from mltoolkit.graph.quantization_codes import CodedWeight, HalfWeight, LinearWeight, SparseWeight, TableWeight
from mltoolkit.graph.quantization_parts import padded_tables

_IOS16, _IOS18 = 7, 9
# A weight record of the weight file: 64 bytes of metadata, and the data start at multiples of 64.
_RECORD = 64 + 32
# (codes − zero point) · scale and code · scale + bias differ by float32's rounding.
_ROUNDING = 2.0**-20


@dataclass(frozen=True)
class Form:
    """One way to hold a weight.

    Attributes:
        size: bytes it takes in the package.
        emit: makes it, given PyMIL's builder and a name; gives the Var of the decoded weight.
    """

    size: int
    emit: Callable[[Any, str], Any]


def forms_of(coded: CodedWeight, values: NDArray[np.float32], version: int) -> Iterator[Form]:
    """Every form of a specification that decodes to ``values``, exactly or but for float32's rounding."""
    if version < _IOS16:
        return
    if isinstance(coded, HalfWeight):
        yield Form(
            coded.values.nbytes + _RECORD,
            lambda mb, name: mb.constexpr_cast(source_val=coded.values, output_dtype="fp32", name=name),
        )
    elif isinstance(coded, SparseWeight):
        yield _sparse(coded, values, version)
    elif isinstance(coded, TableWeight):
        yield from _table_forms(coded.codes, coded.tables, coded.bits, version)
    else:
        yield from _linear_forms(coded, values, version)


def _sparse(coded: SparseWeight, values: NDArray[np.float32], version: int) -> Form:
    kept = values[coded.mask]

    def emit(mb: Any, name: str) -> Any:
        if version >= _IOS18:
            return mb.constexpr_sparse_to_dense(nonzero_data=kept, mask=_narrow(coded.mask, 1), name=name)
        return mb.constexpr_sparse_to_dense(
            nonzero_data=kept,
            mask=np.packbits(coded.mask.reshape(-1), bitorder="little"),
            shape=np.array(values.shape, dtype=np.uint32),
            name=name,
        )

    return Form(kept.nbytes + packed_bytes(values.size, 1) + 2 * _RECORD, emit)


def _table_forms(codes: NDArray[np.uint8], tables: NDArray[np.float32], bits: int, version: int) -> Iterator[Form]:
    if version < _IOS18:
        if all(count == 1 for count in tables.shape[:-1]):
            yield _single_table(codes, tables.reshape(-1), bits)
        return
    wider = next(width for width in (1, 2, 3, 4, 6, 8) if width >= bits)
    padded = padded_tables(tables, wider)
    size = packed_bytes(codes.size, wider) + padded.nbytes + 2 * _RECORD

    def emit(mb: Any, name: str) -> Any:
        return mb.constexpr_lut_to_dense(indices=_narrow(codes, wider), lut=padded[..., None], name=name)

    yield Form(size, emit)


def _single_table(codes: NDArray[np.uint8], table: NDArray[np.float32], bits: int) -> Form:
    wider = next(width for width in (1, 2, 4, 6, 8) if width >= bits)
    padded = padded_tables(table, wider)

    def emit(mb: Any, name: str) -> Any:
        return mb.constexpr_lut_to_dense(
            indices=pack_elements(codes.reshape(-1), wider),
            lut=padded,
            shape=np.array(codes.shape, dtype=np.uint32),
            name=name,
        )

    return Form(packed_bytes(codes.size, wider) + padded.nbytes + 2 * _RECORD, emit)


def _linear_forms(coded: LinearWeight, values: NDArray[np.float32], version: int) -> Iterator[Form]:
    if coded.scale.size == 1:
        codes, table = _as_table(coded)
        yield from _table_forms(codes, table[(None,) * values.ndim], coded.bits, version)
    if version >= _IOS18:
        yield _blockwise(coded)
        return
    affine = _affine(coded, values)
    if affine is not None:
        yield affine


def _as_table(coded: LinearWeight) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Codes that share one scale as codes from 0 on, and what each of them stands for."""
    low = -(1 << (coded.bits - 1)) if coded.codes.dtype == np.int8 else 0
    entries = np.arange(low, low + (1 << coded.bits), dtype=np.float32)
    factor = coded.scale.reshape(-1)
    if coded.bias is not None:
        table = entries * factor + coded.bias.reshape(-1)
    else:
        assert coded.zero_point is not None
        table = (entries - coded.zero_point.reshape(-1)) * factor
    return (coded.codes.astype(np.int16) - low).astype(np.uint8), table


def _affine(coded: LinearWeight, values: NDArray[np.float32]) -> Form | None:
    """constexpr_affine_dequantize, where a zero point is whole and no axis is cut into blocks."""
    along = [axis for axis, count in enumerate(coded.scale.shape) if count > 1]
    blocks = any(coded.scale.shape[axis] != values.shape[axis] for axis in along)
    if len(along) > 1 or blocks or not (coded.scale > 0).all():
        return None
    kind = coded.codes.dtype
    exact = coded.zero_point if coded.bias is None else -coded.bias / coded.scale
    assert exact is not None
    zero_point = np.rint(exact)
    limits = np.iinfo(kind)
    if zero_point.min() < limits.min or zero_point.max() > limits.max:
        return None
    decoded = (coded.codes.astype(np.float32) - zero_point) * coded.scale
    if np.abs(decoded - values).max() > _ROUNDING * np.abs(values).max():
        return None
    shape = (-1,) if along else ()
    scale, whole = coded.scale.reshape(shape), zero_point.astype(kind).reshape(shape)

    def emit(mb: Any, name: str) -> Any:
        axis = np.int32(along[0] if along else 0)
        return mb.constexpr_affine_dequantize(
            quantized_data=coded.codes, zero_point=whole[()], scale=scale[()], axis=axis, name=name
        )

    return Form(coded.codes.nbytes + scale.nbytes + whole.nbytes + 2 * _RECORD, emit)


def _blockwise(coded: LinearWeight) -> Form:
    """constexpr_blockwise_shift_scale: value = scale · (code − offset), offset = −bias / scale."""
    scale, codes = coded.scale, coded.codes
    if coded.bias is None:
        assert coded.zero_point is not None
        offset = coded.zero_point
    else:
        # A block of one value has scale 0: its value is −1 · (0 − value) then.
        constant = scale == 0
        scale = np.where(constant, np.float32(-1), scale)
        offset = np.where(constant, coded.bias, -coded.bias / scale).astype(np.float32)
        codes = np.where(_spread(constant, codes.shape), codes.dtype.type(0), codes)
    bits = coded.bits
    native = 8 if bits > 6 or (codes.dtype == np.int8 and bits != 4) else 4 if bits == 4 else 0
    stored = native or next(width for width in (1, 2, 3, 6) if width >= bits)
    low, high = _limits(codes.dtype, 4 if native == 4 else 8)
    whole = np.array_equal(np.rint(offset), offset) and low <= offset.min() and offset.max() <= high
    size = packed_bytes(codes.size, stored) + scale.nbytes + 2 * _RECORD
    if offset.any():
        size += (packed_bytes(offset.size, native or 8) if whole else offset.nbytes) + _RECORD
    if not native:
        size += (1 << stored) * math.prod(scale.shape) + _RECORD

    def emit(mb: Any, name: str) -> Any:
        if native:
            data = _narrow(codes, native)
        else:
            # Codes of other widths are looked up in a table of the whole numbers.
            numbers = np.arange(1 << stored, dtype=np.uint8).reshape(*[1] * codes.ndim, -1, 1)
            data = mb.constexpr_lut_to_dense(indices=_narrow(codes, stored), lut=numbers)
        shift = {}
        if offset.any():
            shift["offset"] = _narrow(offset.astype(codes.dtype), native or 8) if whole else offset
        return mb.constexpr_blockwise_shift_scale(data=data, scale=scale, name=name, **shift)

    return Form(size, emit)


def _limits(dtype: np.dtype[Any], bits: int) -> tuple[int, int]:
    low = -(1 << (bits - 1)) if dtype == np.int8 else 0
    return low, low + (1 << bits) - 1


def _spread(parameter: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    for axis, size in enumerate(shape):
        if parameter.shape[axis] not in (1, size):
            parameter = np.repeat(parameter, size // parameter.shape[axis], axis)
    return parameter


def _narrow(codes: NDArray[Any], bits: int) -> NDArray[Any]:
    """Codes in the NumPy type that stands for PyMIL's integers of that many bits."""
    if bits == 8:
        return codes
    from coremltools.converters.mil.mil import types

    name = f"int{bits}" if codes.dtype == np.int8 else f"uint{bits}"
    narrow: NDArray[Any] = codes.astype(types.nptype_from_builtin(types.string_to_builtin(name)))
    return narrow
