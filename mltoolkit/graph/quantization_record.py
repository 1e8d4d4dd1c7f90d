"""How the file that a model came from stores a weight, remembered on the hub's float32 initializer.

The hub computes with float32 weights. A record at ``ir.Value.meta["quantization"]`` says of which codes they were
decoded, so that a writer can store codes again. A record keeps no codes: :mod:`mltoolkit.graph.quantization_codes`
finds them from the values, whatever was transposed, reshaped or cut since. That makes records free while a model is
loaded, and safe: values that were changed have no codes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

_KEY = "quantization"


@dataclass(frozen=True, eq=False)
class Float16Record:
    """The values are float16 in the file."""

    bits = 16


@dataclass(frozen=True, eq=False)
class LinearRecord:
    """value = scale · code + bias, computed in float32 in that order.

    Attributes:
        bits: 1 to 8; codes are 0 … 2**bits − 1.
        scale: float32, of shape () or (1,) for the whole weight, (channels,) along one axis, or one size an axis:
            the number of blocks along it.
        bias: float32 of the same shape.
    """

    bits: int
    scale: NDArray[np.float32]
    bias: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class AffineRecord:
    """value = scale · (code − zero point), computed in float32 in that order.

    Attributes:
        bits: 1 to 8.
        signed: codes are −2**(bits−1) … 2**(bits−1) − 1, else 0 … 2**bits − 1.
        scale: as in :class:`LinearRecord`.
        zero_point: float32 of the same shape; whole numbers, mostly.
    """

    bits: int
    signed: bool
    scale: NDArray[np.float32]
    zero_point: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class TableRecord:
    """value = table[code].

    Attributes:
        bits: 1 to 8; codes are 0 … 2**bits − 1.
        tables: float32 of shape (…, entries): one table for the whole weight, or one for each block, whose numbers
            stand in the first axes as those of the scales in :class:`LinearRecord`.
    """

    bits: int
    tables: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SparseRecord:
    """Most values are zero, and only the others are stored.

    Attributes:
        half: the others are float16 in the file.
    """

    half: bool
    bits = 1


@dataclass(frozen=True, eq=False)
class JoinedRecord:
    """The weight is made of equal parts along one axis, each with a record of its own: the gates of an LSTM.

    Attributes:
        parts: their records; the parts may stand in any order.
    """

    parts: tuple[QuantizationRecord, ...]

    @property
    def bits(self) -> int:
        """Those of the part that has most."""
        return max(part.bits for part in self.parts)


QuantizationRecord = Float16Record | LinearRecord | AffineRecord | TableRecord | SparseRecord | JoinedRecord


def attach_record(value: ir.Value, record: QuantizationRecord | None) -> None:
    """Note on an initializer how the file stores it; None notes nothing."""
    if record is not None:
        value.meta[_KEY] = record


def record_of(value: ir.Value | None) -> QuantizationRecord | None:
    """What was noted on a value."""
    return None if value is None else value.meta.get(_KEY)


def joined(parts: list[QuantizationRecord | None]) -> QuantizationRecord | None:
    """The record of parts put together; None where one of them has none."""
    known = [part for part in parts if part is not None]
    if not known or len(known) != len(parts):
        return None
    if all(isinstance(part, Float16Record) for part in known):
        return known[0]
    return known[0] if len(known) == 1 else JoinedRecord(tuple(known))
