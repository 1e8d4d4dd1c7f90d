"""What stored weights stand for, piece by piece: a weight of a gigabyte is not decoded into another one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mltoolkit.formats.program_weights import AffineCodes, decode_stored
from mltoolkit.formats.weights import LinearCodes, TableCodes, decode
from mltoolkit.quantization.modes import Job, Stored, read_back
from mltoolkit.quantization.sqnr import sqnr_of_pieces

# Values decoded at a time; a multiple of the block in which errors are summed.
_PIECE = 1 << 22

_Pair = tuple[NDArray[np.float32], NDArray[np.float32]]


def stored_sqnr_db(stored: Stored, job: Job) -> float:
    """The signal to quantization noise of what is stored, in dB."""
    return sqnr_of_pieces(_pieces(stored, job))


def _pieces(stored: Stored, job: Job) -> Iterator[_Pair]:
    values, where = job.values, job.slot.where
    if isinstance(stored, TableCodes) or (isinstance(stored, LinearCodes) and stored.scale.size == 1):
        flat, codes = values.reshape(-1), stored.codes.reshape(-1)
        for start in range(0, flat.size, _PIECE):
            part = replace(stored, codes=codes[start : start + _PIECE])
            yield flat[start : start + _PIECE], decode(part, part.codes.shape, where)
    elif isinstance(stored, AffineCodes) and values.size > _PIECE:
        yield from _pieces_of_blocks(stored, values, where)
    else:
        yield values, read_back(stored, job)


def _pieces_of_blocks(stored: AffineCodes, values: NDArray[np.float32], where: str) -> Iterator[_Pair]:
    """Along the first axis, whole blocks at a time."""
    count = stored.scale.shape[0]
    length = values.shape[0] // count
    row = math.prod(values.shape[1:])
    step = max(1, _PIECE // max(1, length * row)) * length if count > 1 else max(1, _PIECE // max(1, row))
    for start in range(0, values.shape[0], step):
        rows = slice(start, start + step)
        blocks = slice(start // length, -(-min(start + step, values.shape[0]) // length)) if count > 1 else slice(None)
        zero_point = None if stored.zero_point is None else stored.zero_point[blocks]
        part = AffineCodes(stored.codes[rows], stored.nbits, stored.scale[blocks], zero_point)
        yield values[rows], decode_stored(part, where)
