"""Writing the records of a weight file of an ML Program, byte for byte as Apple's own writer does.

The layout is that of :mod:`mltoolkit.formats.weight_blob`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mltoolkit.formats.mil_bits import pack_elements, packed_bytes
from mltoolkit.formats.mil_types import ElementType
from mltoolkit.formats.weight_blob import ALIGNMENT, BLOB_TYPES, HEADER, METADATA, SENTINEL, VERSION, WeightFile

_NUMBERS = {name: number for number, name in BLOB_TYPES.items()}
# Codes packed and written at a time; a multiple of eight, so that each piece fills whole bytes.
_PIECE = 1 << 22


def record_bytes(count: int, bits: int) -> int:
    """What a record of so many elements takes in the file, with what aligns the next one."""
    return ALIGNMENT + _aligned(packed_bytes(count, bits))


class RecordWriter:
    """Appends records to a file, none of which is held in memory.

    Args:
        file: a file open for writing, and still empty.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._count = 0
        file.write(bytes(ALIGNMENT))

    def append(self, array: NDArray[Any], element: ElementType) -> int:
        """Write a record.

        Args:
            array: the elements in row-major order; those of less than 8 bits are 8-bit integers.
            element: their type in the file.

        Returns:
            The record's offset, by which the program refers to it.
        """
        size = packed_bytes(array.size, element.bits)
        unused = 8 * size - array.size * element.bits if element.packed else 0
        flat = np.ascontiguousarray(array).reshape(-1)
        return self._append(_NUMBERS[element.name], unused, size, _pieces(flat, element))

    def copy(self, file: WeightFile, offset: int) -> int:
        """Write a record as another file has it; its offset here."""
        number, unused, data = file.record(offset)
        pieces = (data[start : start + _PIECE].data for start in range(0, data.size, _PIECE))
        return self._append(number, unused, data.size, pieces)

    def write_header(self) -> None:
        """Say how many records there are: makes the file complete; more may follow."""
        end = self._file.tell()
        self._file.seek(0)
        self._file.write(HEADER.pack(self._count, VERSION))
        self._file.seek(end)

    @property
    def size(self) -> int:
        """Bytes written so far, with what aligns the next record."""
        return _aligned(self._file.tell())

    def _append(self, number: int, unused: int, size: int, pieces: Iterable[memoryview]) -> int:
        offset = self.size
        metadata = METADATA.pack(SENTINEL, number, size, offset + ALIGNMENT, unused)
        self._file.write(bytes(offset - self._file.tell()) + metadata.ljust(ALIGNMENT, b"\0"))
        for piece in pieces:
            self._file.write(piece)
        self._count += 1
        return offset


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _pieces(flat: NDArray[Any], element: ElementType) -> Iterator[memoryview]:
    if not element.packed:
        yield flat.view(np.uint8).data
        return
    mask = np.uint8((1 << element.bits) - 1)
    for start in range(0, flat.size, _PIECE):
        codes = flat[start : start + _PIECE].view(np.uint8)
        if element.signed:
            codes = codes & mask
        yield pack_elements(codes, element.bits).data
