"""How a program stores a weight, as the record that the hub keeps of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.graph.quantization_record import AffineRecord, QuantizationRecord, SparseRecord, TableRecord

_FLOATS = "fV"


def affine_record(codes: NDArray[Any], scale: NDArray[Any], offset: NDArray[Any] | None) -> QuantizationRecord | None:
    """The record of scale · (codes − offset), where the codes have at most 8 bits; scale and offset of equal shape."""
    if codes.dtype not in (np.uint8, np.int8) or scale.dtype.kind not in _FLOATS:
        return None
    signed = codes.dtype == np.int8
    # Elements of less than 8 bits were widened when they were read.
    low, high = (int(codes.min()), int(codes.max())) if codes.size else (0, 0)
    bits = 4 if (low >= -8 and high <= 7 if signed else high <= 15) else 8
    factors = scale.astype(np.float32)
    zero_point = np.zeros_like(factors) if offset is None else offset.astype(np.float32)
    return AffineRecord(bits, signed, factors, zero_point)


def table_record(tables: NDArray[Any]) -> QuantizationRecord | None:
    """The record of a lookup of single numbers; tables of shape (blocks along each axis, …, entries, 1)."""
    entries = tables.shape[-2] if tables.ndim >= 2 else 0
    if tables.dtype.kind not in _FLOATS or not 2 <= entries <= 256 or tables.shape[-1] != 1:
        return None
    return TableRecord(entries.bit_length() - 1, tables[..., 0].astype(np.float32))


def progression_record(tables: NDArray[Any], record: QuantizationRecord | None) -> QuantizationRecord | None:
    """The record of a lookup in tables that are themselves scale · (code − offset) of the codes 0, 1, 2, ….

    So programs store linear codes of 1 to 3, 5 and 6 bits, which have no operation of their own.

    Args:
        tables: as for :func:`table_record`.
        record: how the program stores the tables.
    """
    plain = table_record(tables)
    if plain is None or not isinstance(record, AffineRecord) or record.scale.ndim != tables.ndim:
        return plain
    if record.scale.shape[-2:] != (1, 1) or record.scale.shape[:-2] != tables.shape[:-2]:
        return plain
    numbers = np.arange(tables.shape[-2], dtype=np.float32)[:, None]
    if not np.array_equal((numbers - record.zero_point) * record.scale, tables):
        return plain
    return AffineRecord(plain.bits, False, record.scale[..., 0, 0], record.zero_point[..., 0, 0])


def sparse_record(kept: NDArray[Any]) -> QuantizationRecord | None:
    """The record of zeros between stored numbers."""
    return SparseRecord(kept.dtype == np.float16) if kept.dtype.kind in _FLOATS else None
