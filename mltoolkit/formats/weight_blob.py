"""The weight files of ML Programs: ``Data/com.apple.CoreML/weights/weight.bin`` of a package.

Storage format 2 (mlmodel/src/MILBlob/Blob/StorageFormat.hpp): little-endian, every record aligned to 64
bytes.

    header    uint32 count, uint32 version = 2, 56 bytes reserved
    metadata  uint32 sentinel 0xDEADBEEF, uint32 data type, uint64 size in bytes, uint64 offset of the data,
              uint64 unused bits at the end of the data, 32 bytes reserved
    data      the elements; those of less than 8 bits packed least significant bit first

The program names a file and the offset of a metadata record. Files are mapped, not read: an array of whole
bytes is a read-only view of the file, and nothing is allocated before the record is known to lie in the file.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import InvalidModelError, ModelFileError, did_you_mean
from mltoolkit.formats.mil_bits import packed_bytes, unpack_elements
from mltoolkit.formats.mil_types import ElementType

ALIGNMENT = 64
SENTINEL = 0xDEADBEEF
VERSION = 2
HEADER = struct.Struct("<II")
METADATA = struct.Struct("<IIQQQ")
# BlobDataType of the same header file.
BLOB_TYPES = {
    1: "float16",
    2: "float32",
    3: "uint8",
    4: "int8",
    5: "bfloat16",
    6: "int16",
    7: "uint16",
    8: "int4",
    9: "uint1",
    10: "uint2",
    11: "uint4",
    12: "uint3",
    13: "uint6",
    14: "int32",
    15: "uint32",
    16: "float8_e4m3fn",
    17: "float8_e5m2",
}
# Of a file that is copied, no more than this is in memory at once.
_PART_BYTES = 1 << 24
# What a program calls the folder.
FOLDER_REFERENCE = "@model_path/weights/"


@dataclass(frozen=True)
class FileSlice:
    """A place in a file.

    Attributes:
        path: the file, without links.
        offset: bytes from its start.
    """

    path: Path
    offset: int


class WeightFile:
    """One weight file, mapped.

    Args:
        path: the file.

    Raises:
        ModelFileError: it cannot be read.
        InvalidModelError: it is no weight file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as opened:
                size = opened.seek(0, 2)
                mapped = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
                self._identity = _identity(os.fstat(opened.fileno()))
        except (OSError, ValueError) as error:
            raise ModelFileError(f"the weight file cannot be read: {error}", where=str(path)) from error
        self._mapped = mapped
        self._bytes = np.frombuffer(mapped, dtype=np.uint8)
        if self._bytes.size < ALIGNMENT:
            raise InvalidModelError(
                f"the weight file has {self._bytes.size} bytes, fewer than its header", where=str(path)
            )
        _, version = HEADER.unpack_from(self._mapped)
        if version != VERSION:
            raise InvalidModelError(
                f"the weight file has storage version {version}; known is {VERSION}", where=str(path)
            )

    def __len__(self) -> int:
        return int(self._bytes.size)

    def parts(self) -> Iterator[memoryview]:
        """The whole file in pieces, as it was when it was mapped: its name may belong to another file by now."""
        for start in range(0, len(self), _PART_BYTES):
            yield memoryview(self._mapped)[start : start + _PART_BYTES]
            self.release_pages(start, min(_PART_BYTES, len(self) - start))

    def release_pages(self, start: int = 0, size: int | None = None) -> None:
        """Let what was read leave this process, where the system can; it stays in the system's cache."""
        if isinstance(self._mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            self._mapped.madvise(mmap.MADV_DONTNEED, start, len(self) if size is None else size)

    def slice_of(self, array: NDArray[Any]) -> FileSlice | None:
        """Where in the file an array lies that is a view of it; None if it is not, or the file has been replaced."""
        offset = array.ctypes.data - self._bytes.ctypes.data
        if not (0 <= offset <= len(self) - array.nbytes) or not array.flags.c_contiguous:
            return None
        try:
            path = self.path.resolve()
            found = _identity(path.stat())
        except OSError:
            return None
        return FileSlice(path, offset) if found == self._identity else None

    def record(self, offset: int) -> tuple[int, int, NDArray[np.uint8]]:
        """A record as it is: the number of its data type, the unused bits at its end, its bytes.

        Raises:
            InvalidModelError: there is none at that offset, or it does not lie in the file.
        """
        where = f"{self.path}, offset {offset}"
        if offset < 0 or offset % ALIGNMENT or offset > len(self) - METADATA.size:
            raise InvalidModelError("the program refers to an offset where no weights can start", where=where)
        sentinel, blob_type, stored, start, unused_bits = METADATA.unpack_from(self._mapped, offset)
        if sentinel != SENTINEL or start > len(self) or stored > len(self) - start:
            raise InvalidModelError("there is no weight record at the program's offset", where=where)
        return blob_type, unused_bits, self._bytes[start : start + stored]

    def read(self, offset: int, element: ElementType, count: int) -> NDArray[Any]:
        """The elements of a record.

        Args:
            offset: where its metadata starts.
            element: the type that the program gives the elements.
            count: the number of elements that the program expects.

        Returns:
            Shape ``(count,)`` of ``element.dtype``; read-only.

        Raises:
            InvalidModelError: the record does not lie in the file, or holds something else.
        """
        where = f"{self.path}, offset {offset}"
        size = len(self)
        if offset < 0 or offset % ALIGNMENT or offset > size - METADATA.size:
            raise InvalidModelError(
                f"the program refers to an offset where no weights can start (the file has {size} bytes)",
                where=where,
            )
        sentinel, blob_type, stored, start, unused_bits = METADATA.unpack_from(self._mapped, offset)
        if sentinel != SENTINEL:
            raise InvalidModelError("there is no weight record at the program's offset", where=where)
        if BLOB_TYPES.get(blob_type) != element.name:
            found = BLOB_TYPES.get(blob_type, f"unknown ({blob_type})")
            raise InvalidModelError(f"the weights' type is {found} but the program expects {element.name}", where=where)
        if start % ALIGNMENT or start > size or stored > size - start:
            raise InvalidModelError(
                f"the weights ({stored} bytes from {start}) end outside the file of {size} bytes", where=where
            )
        expected = packed_bytes(count, element.bits)
        if stored != expected or (element.packed and unused_bits != 8 * expected - count * element.bits):
            raise InvalidModelError(
                f"the weights take {stored} bytes; {count} elements of {element.name} take {expected}",
                where=where,
            )
        data = self._bytes[start : start + stored]
        if element.packed:
            codes = unpack_elements(data, element.bits, count, signed=element.signed)
            codes.flags.writeable = False
            return codes
        return data.view(element.dtype)


def _is_file_in(folder: Path, path: Path) -> bool:
    """Whether a path leads to a file of a folder: a link may lead out of the package, or to itself."""
    try:
        return path.resolve().parent == folder and path.is_file()
    except (OSError, RuntimeError):
        return False


def _identity(status: os.stat_result) -> tuple[int, ...]:
    """What tells a file from another one, and from what it was before a change."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class WeightFolder:
    """The weight files that a program may refer to.

    The files are mapped at once, so that the folder (coremltools keeps it in a temporary place) may go away
    later.

    Args:
        folder: the package's weights, or None where the model has none.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._files: dict[str, WeightFile] = {}
        self._faults: dict[str, ModelFileError | InvalidModelError] = {}
        if folder is None:
            return
        try:
            if not folder.is_dir():
                return
            inside, paths = folder.resolve(), sorted(folder.iterdir())
        except OSError as error:
            raise ModelFileError(
                f"the folder of weights cannot be read: {error.strerror or error}", where=str(folder)
            ) from error
        for path in paths:
            try:
                if _is_file_in(inside, path):
                    self._files[path.name] = WeightFile(path)
            except (ModelFileError, InvalidModelError) as error:
                self._faults[path.name] = error

    def read(self, reference: str, offset: int, element: ElementType, count: int) -> NDArray[Any]:
        """The elements that a ``BlobFileValue`` refers to; see :meth:`WeightFile.read`.

        Args:
            reference: its ``fileName``, such as ``@model_path/weights/weight.bin``.
            offset: its ``offset``.
            element: type of the elements.
            count: number of elements.

        Raises:
            InvalidModelError: the reference leads out of the package, to no file, or to other weights.
            ModelFileError: the file cannot be read.
        """
        return self.file(reference).read(offset, element, count)

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(len(file) for file in self._files.values())

    def slice_of(self, array: NDArray[Any]) -> FileSlice | None:
        """See :meth:`WeightFile.slice_of`."""
        slices = (file.slice_of(array) for file in self._files.values())
        return next((found for found in slices if found is not None), None)

    def release_pages(self) -> None:
        """See :meth:`WeightFile.release_pages`."""
        for file in self._files.values():
            file.release_pages()

    def file(self, reference: str) -> WeightFile:
        """The file that a ``BlobFileValue`` refers to.

        Raises:
            InvalidModelError: the reference leads out of the package, to no file, or to one without weights.
            ModelFileError: the file cannot be read.
        """
        name = reference.removeprefix(FOLDER_REFERENCE)
        if name == reference or "/" in name or "\\" in name or name in ("", ".", ".."):
            raise InvalidModelError(
                f"the program refers to weights outside its package: {reference!r}",
                fix=f"Weight files are named {FOLDER_REFERENCE}…",
            )
        if name in self._faults:
            raise self._faults[name]
        if name not in self._files:
            if self.folder is None:
                raise InvalidModelError(
                    f"the program's weights lie in {reference!r}, but no folder of weights was given",
                    fix="Load the .mlpackage folder, or a coremltools MLModel",
                )
            raise InvalidModelError(
                f"the weight file {name!r} is missing",
                where=str(self.folder),
                fix=did_you_mean(name, self._files),
            )
        return self._files[name]
