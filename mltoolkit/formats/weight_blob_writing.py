"""Writing a weight file of an ML Program record by record, without holding it in memory.

The layout is that of :mod:`mltoolkit.formats.weight_blob`.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mltoolkit.formats.mil_bits import pack_elements, packed_bytes
from mltoolkit.formats.mil_types import ElementType
from mltoolkit.formats.weight_blob import (
    ALIGNMENT,
    BLOB_TYPES,
    FOLDER_REFERENCE,
    HEADER,
    METADATA,
    SENTINEL,
    VERSION,
    WeightFile,
    WeightFolder,
)

# What the program calls the file.
REFERENCE = f"{FOLDER_REFERENCE}weight.bin"
_NUMBERS = {name: number for number, name in BLOB_TYPES.items()}
# Codes packed and written at a time; a multiple of eight, so that each piece fills whole bytes.
_PIECE = 1 << 22


def record_bytes(count: int, bits: int) -> int:
    """What a record of so many elements takes in the file."""
    return ALIGNMENT + -(-packed_bytes(count, bits) // ALIGNMENT) * ALIGNMENT


class WeightFileWriter:
    """A weight file in a temporary folder, which is made for the first record and goes when nothing needs it."""

    def __init__(self) -> None:
        self._count = 0

    @cached_property
    def _folder(self) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="mltoolkit_weights_"))
        self._remove = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return folder

    @cached_property
    def _file(self) -> BinaryIO:
        file = (self._folder / "weight.bin").open("wb")
        file.write(bytes(ALIGNMENT))
        return file

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

    def _append(self, number: int, unused: int, size: int, pieces: Iterable[memoryview]) -> int:
        offset = self._file.tell()
        metadata = METADATA.pack(SENTINEL, number, size, offset + ALIGNMENT, unused)
        self._file.write(metadata.ljust(ALIGNMENT, b"\0"))
        for piece in pieces:
            self._file.write(piece)
        self._file.write(bytes(-size % ALIGNMENT))
        self._count += 1
        return offset

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._file.tell()

    def finish(self) -> WeightFolder:
        """Complete the file; the folder, mapped. What is on the disk goes when that is gone."""
        self._file.seek(0)
        self._file.write(HEADER.pack(self._count, VERSION))
        self._file.close()
        folder = WeightFolder(self._folder)
        self._remove.detach()
        weakref.finalize(folder, shutil.rmtree, self._folder, ignore_errors=True)
        return folder


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
