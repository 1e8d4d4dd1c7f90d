"""Weights that the source's file stores compressed stay compressed in a neural network.

coremltools' writer of networks knows no codes: it writes every weight as float32. So the weights of the finished file
are compared with the records that the hub's initializers carry; where a record's codes decode to a weight, these are
stored in its place.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.formats.weight_fields import Storage, WeightField, iter_weight_fields
from mltoolkit.formats.weights import (
    Encoding,
    LinearCodes,
    TableCodes,
    decode,
    encoding_of,
    read_weight,
    write_codes,
    write_float16,
)
from mltoolkit.graph.quantization_codes import CodedWeight, HalfWeight, LinearWeight, TableWeight, find_codes
from mltoolkit.graph.quantization_record import Float16Record, JoinedRecord, QuantizationRecord, record_of

# Smaller weights gain less than a table takes.
_MIN_ELEMENTS = 128
# code · scale + bias and (code − zero point) · scale differ by float32's rounding.
_ROUNDING = 2.0**-20


def restore_codes(spec: Any, model: ir.Model) -> None:
    """Store weights of a network as codes, or float16, as the source's file does.

    Args:
        spec: the ``Model`` message of a neural network with float32 weights, which is changed.
        model: what it was written from.
    """
    found = _records(model)
    if not found:
        return
    records = [record for record in found if not isinstance(record, Float16Record)]
    halves: dict[str, list[WeightField]] = {}
    last = 0
    for field in iter_weight_fields(spec):
        if encoding_of(field.params) is not Encoding.FLOAT32:
            continue
        halves.setdefault(field.layer, []).append(field)
        if field.storage is not Storage.ANY or field.count < _MIN_ELEMENTS:
            continue
        values = np.ascontiguousarray(read_weight(field.params, field.shape, field.where, field.channel_axis))
        # Weights stand in the file in about the order of the records.
        for index in (*range(last, len(records)), *range(last)):
            stored = _stored(find_codes(values, records[index]), values, field)
            if stored is not None:
                write_codes(field.params, stored)
                halves[field.layer].remove(field)
                last = index
                break
    if len(records) < len(found):
        _restore_halves(halves)


def has_records(model: ir.Model) -> bool:
    """Whether any weight was stored compressed."""
    return any(record_of(value) is not None for value in model.graph.initializers.values())


def _records(model: ir.Model) -> list[QuantizationRecord]:
    """The records of a model's weights, those of parts for themselves, each once."""
    found: dict[int, QuantizationRecord] = {}
    for value in model.graph.initializers.values():
        record = record_of(value)
        for part in record.parts if isinstance(record, JoinedRecord) else (record,):
            if part is not None:
                found.setdefault(id(part), part)
    return list(found.values())


def _stored(
    coded: CodedWeight | None, values: NDArray[np.float32], field: WeightField
) -> LinearCodes | TableCodes | None:
    """Codes as the format has them: one table; one scale, or one a channel where the layer takes that."""
    if isinstance(coded, TableWeight) and math.prod(coded.tables.shape[:-1]) == 1:
        return TableCodes(coded.codes.reshape(-1), coded.bits, coded.tables.reshape(-1))
    if not isinstance(coded, LinearWeight):
        return None
    along = [axis for axis, count in enumerate(coded.scale.shape) if count > 1]
    if along and not (
        field.per_channel and along == [field.channel_axis] and coded.scale.size == field.shape[field.channel_axis]
    ):
        return None
    scale = coded.scale.reshape(-1)
    low = -(1 << (coded.bits - 1)) if coded.codes.dtype == np.int8 else 0
    codes = (coded.codes.astype(np.int16) - low).astype(np.uint8).reshape(-1)
    if coded.bias is not None:
        bias = coded.bias.reshape(-1)
    else:
        assert coded.zero_point is not None
        bias = scale * (low - coded.zero_point.reshape(-1))
    stored = LinearCodes(codes, coded.bits, scale.astype(np.float32), bias.astype(np.float32))
    decoded = decode(stored, field.shape, field.where, field.channel_axis)
    return stored if np.abs(decoded - values).max() <= _ROUNDING * np.abs(values).max() else None


def _restore_halves(layers: dict[str, list[WeightField]]) -> None:
    """float16 for layers all of whose remaining weights are float16 numbers: Core ML takes no mixture."""
    for fields in layers.values():
        arrays = [read_weight(field.params, field.shape, field.where, field.channel_axis) for field in fields]
        possible = fields and all(field.storage in (Storage.ANY, Storage.FLOATS) for field in fields)
        if not possible or sum(array.size for array in arrays) < _MIN_ELEMENTS:
            continue
        if all(isinstance(find_codes(np.atleast_1d(array), Float16Record()), HalfWeight) for array in arrays):
            for field, array in zip(fields, arrays, strict=True):
                write_float16(field.params, array)
