"""The writer of weight files for coremltools where its own is absent.

Built from its sdist, as on Windows, coremltools has no compiled modules, and refuses to write packages.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.formats.mil_bits import pack_elements
from mltoolkit.formats.weight_blob import ALIGNMENT, BLOB_TYPES, HEADER, METADATA, SENTINEL, VERSION

_NUMBERS = {name: number for number, name in BLOB_TYPES.items()}


class BlobWriter:
    """What coremltools calls of ``libmilstoragepython._BlobStorageWriter``; the file is complete after each call."""

    def __init__(self, path: str) -> None:
        # Unbuffered: coremltools never closes its writer.
        self._file = Path(path).open("wb", buffering=0)  # noqa: SIM115  # closed with the writer
        self._file.write(bytes(ALIGNMENT))
        self._count = 0

    def write_float_data(self, values: NDArray[Any]) -> int:
        """Write float32; returns the record's offset, as all of these do."""
        return self._append("float32", values.astype(np.float32, copy=False))

    def write_fp16_data(self, values: NDArray[Any]) -> int:
        """Write float16, given as uint16 of the same bits."""
        return self._append("float16", values)

    def write_int8_data(self, values: NDArray[Any]) -> int:
        """Write int8."""
        return self._append("int8", values)

    def write_uint8_data(self, values: NDArray[Any]) -> int:
        """Write uint8."""
        return self._append("uint8", values)

    def write_int16_data(self, values: NDArray[Any]) -> int:
        """Write int16."""
        return self._append("int16", values)

    def write_uint16_data(self, values: NDArray[Any]) -> int:
        """Write uint16."""
        return self._append("uint16", values)

    def write_int32_data(self, values: NDArray[Any]) -> int:
        """Write int32."""
        return self._append("int32", values)

    def write_uint32_data(self, values: NDArray[Any]) -> int:
        """Write uint32."""
        return self._append("uint32", values)

    def write_int4_data(self, values: NDArray[Any]) -> int:
        """Write int4, given as int8."""
        return self._append_packed("int4", values, 4)

    def write_uint1_data(self, values: NDArray[Any]) -> int:
        """Write uint1, given as uint8, as the following are."""
        return self._append_packed("uint1", values, 1)

    def write_uint2_data(self, values: NDArray[Any]) -> int:
        """Write uint2."""
        return self._append_packed("uint2", values, 2)

    def write_uint3_data(self, values: NDArray[Any]) -> int:
        """Write uint3."""
        return self._append_packed("uint3", values, 3)

    def write_uint4_data(self, values: NDArray[Any]) -> int:
        """Write uint4."""
        return self._append_packed("uint4", values, 4)

    def write_uint6_data(self, values: NDArray[Any]) -> int:
        """Write uint6."""
        return self._append_packed("uint6", values, 6)

    def _append_packed(self, name: str, values: NDArray[Any], bits: int) -> int:
        codes = values.astype(np.uint8) & np.uint8((1 << bits) - 1)
        return self._append(name, pack_elements(codes, bits), -codes.size * bits % 8)

    def _append(self, name: str, values: NDArray[Any], unused_bits: int = 0) -> int:
        data = np.ascontiguousarray(values).view(np.uint8).reshape(-1)
        self._file.write(bytes(-self._file.tell() % ALIGNMENT))
        offset = self._file.tell()
        metadata = METADATA.pack(SENTINEL, _NUMBERS[name], data.size, offset + ALIGNMENT, unused_bits)
        self._file.write(metadata.ljust(ALIGNMENT, b"\0"))
        self._file.write(data.data)
        end, self._count = self._file.tell(), self._count + 1
        self._file.seek(0)
        self._file.write(HEADER.pack(self._count, VERSION))
        self._file.seek(end)
        return offset


@contextmanager
def blob_writer() -> Iterator[None]:
    """Have coremltools write weight files with this where it has nothing else."""
    from coremltools.converters.mil.backend.mil import load

    own = load.BlobWriter
    load.BlobWriter = own or BlobWriter
    try:
        yield
    finally:
        load.BlobWriter = own
