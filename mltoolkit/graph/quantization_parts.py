"""The codes of a weight whose parts were coded one by one: the gates of a recurrent layer, stacked.

Each part may have any of the records, as ONNX, Core ML's two formats and the frameworks order gates differently. All
parts together must be one kind of code, so that they can be stored as one weight with a scale or table a block.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mltoolkit.graph.quantization_codes import (
    CodedWeight,
    LinearWeight,
    TableWeight,
    find_codes,
)
from mltoolkit.graph.quantization_record import JoinedRecord


def find_joined_codes(values: NDArray[np.float32], record: JoinedRecord) -> CodedWeight | None:
    """See :func:`mltoolkit.graph.quantization_codes.find_codes`; a single part, cut out again, is found too."""
    for parts in range(len(record.parts), 0, -1):
        for axis in range(values.ndim):
            # Equal parts, and as many as a whole number of times go into those that were joined.
            if len(record.parts) % parts or values.shape[axis] % parts or values.shape[axis] == parts > 1:
                continue
            coded = _coded_parts(np.split(values, parts, axis), record)
            if coded is not None:
                return _put_together(coded, axis)
    return None


def _coded_parts(parts: Sequence[NDArray[np.float32]], record: JoinedRecord) -> list[CodedWeight] | None:
    coded = []
    for part in parts:
        found = next((codes for one in record.parts if (codes := find_codes(part, one)) is not None), None)
        if found is None:
            return None
        coded.append(found)
    return coded


def _put_together(parts: list[CodedWeight], axis: int) -> CodedWeight | None:
    if len(parts) == 1:
        return parts[0]
    tables = [part for part in parts if isinstance(part, TableWeight)]
    if len(tables) == len(parts):
        return _join_tables(tables, axis)
    linear = [part for part in parts if isinstance(part, LinearWeight)]
    if len(linear) == len(parts):
        return _join_linear(linear, axis)
    return None


def _join_tables(parts: list[TableWeight], axis: int) -> TableWeight:
    bits = max(part.bits for part in parts)
    codes = np.concatenate([part.codes for part in parts], axis)
    return TableWeight(bits, codes, _concatenated([padded_tables(part.tables, bits) for part in parts], axis, parts))


def padded_tables(tables: NDArray[np.float32], bits: int) -> NDArray[np.float32]:
    """The same tables with 2**bits entries; those added are never used."""
    missing = (1 << bits) - tables.shape[-1]
    return np.concatenate([tables, np.repeat(tables[..., -1:], missing, -1)], -1) if missing else tables


def _join_linear(parts: list[LinearWeight], axis: int) -> LinearWeight | None:
    first = parts[0]
    if any((part.bias is None) != (first.bias is None) or part.codes.dtype != first.codes.dtype for part in parts):
        return None
    biases = [part.bias for part in parts if part.bias is not None]
    zero_points = [part.zero_point for part in parts if part.zero_point is not None]
    return LinearWeight(
        max(part.bits for part in parts),
        np.concatenate([part.codes for part in parts], axis),
        _concatenated([part.scale for part in parts], axis, parts),
        _concatenated(biases, axis, parts) if biases else None,
        _concatenated(zero_points, axis, parts) if zero_points else None,
    )


def _concatenated(
    parameters: Sequence[NDArray[np.float32]], axis: int, parts: Sequence[LinearWeight | TableWeight]
) -> NDArray[np.float32]:
    """Parameters one after the other along the axis, where each part has as many blocks as the others."""
    counts = [array.shape[axis] for array in parameters]
    rank = parts[0].codes.ndim
    most = [max(array.shape[other] for array in parameters) for other in range(rank)]
    if len(set(counts)) > 1:
        most[axis] = parts[0].codes.shape[axis]
    spread = []
    for array in parameters:
        for other, size in enumerate(most):
            if array.shape[other] != size:
                array = np.repeat(array, size // array.shape[other], other)
        spread.append(array)
    return np.concatenate(spread, axis)
