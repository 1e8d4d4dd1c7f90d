"""The writer of weight files for coremltools where its own is absent.

Built from its sdist, as on Windows, coremltools has no compiled modules, and refuses to write packages.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partialmethod
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mltoolkit.formats.mil_types import element_named
from mltoolkit.formats.weight_record_writing import RecordWriter


class BlobWriter:
    """What coremltools calls of ``libmilstoragepython._BlobStorageWriter``; the file is complete after each call.

    Each method takes a flat array and returns the record's offset. float16 is given as uint16 of the same bits, types
    of less than 8 bits as 8-bit integers.
    """

    def __init__(self, path: str) -> None:
        self._file = Path(path).open("wb")  # noqa: SIM115  # closed with the writer
        self._records = RecordWriter(self._file)

    def _append(self, element: str, values: NDArray[Any]) -> int:
        offset = self._records.append(values, element_named(element)[1])
        self._records.write_header()
        self._file.flush()  # coremltools never closes its writer
        return offset

    write_float_data = partialmethod(_append, "float32")
    write_fp16_data = partialmethod(_append, "float16")
    write_int4_data = partialmethod(_append, "int4")
    write_int8_data = partialmethod(_append, "int8")
    write_int16_data = partialmethod(_append, "int16")
    write_int32_data = partialmethod(_append, "int32")
    write_uint1_data = partialmethod(_append, "uint1")
    write_uint2_data = partialmethod(_append, "uint2")
    write_uint3_data = partialmethod(_append, "uint3")
    write_uint4_data = partialmethod(_append, "uint4")
    write_uint6_data = partialmethod(_append, "uint6")
    write_uint8_data = partialmethod(_append, "uint8")
    write_uint16_data = partialmethod(_append, "uint16")
    write_uint32_data = partialmethod(_append, "uint32")


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
