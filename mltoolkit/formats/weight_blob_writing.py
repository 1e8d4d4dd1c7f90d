"""Making a weight file of an ML Program in a temporary folder, which goes when nothing needs it."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from numpy.typing import NDArray

from mltoolkit.formats.mil_types import ElementType
from mltoolkit.formats.weight_blob import FOLDER_REFERENCE, WeightFile, WeightFolder
from mltoolkit.formats.weight_record_writing import RecordWriter

# What the program calls the file.
REFERENCE = f"{FOLDER_REFERENCE}weight.bin"


class WeightFileWriter:
    """A weight file in a temporary folder, which is made for the first record and goes when nothing needs it."""

    @cached_property
    def _folder(self) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="mltoolkit_weights_"))
        self._remove = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return folder

    @cached_property
    def _file(self) -> BinaryIO:
        return (self._folder / "weight.bin").open("wb")

    @cached_property
    def _records(self) -> RecordWriter:
        return RecordWriter(self._file)

    def append(self, array: NDArray[Any], element: ElementType) -> int:
        """Write a record; see :meth:`RecordWriter.append`."""
        return self._records.append(array, element)

    def copy(self, file: WeightFile, offset: int) -> int:
        """Write a record as another file has it; its offset here."""
        return self._records.copy(file, offset)

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._records.size

    def finish(self) -> WeightFolder:
        """Complete the file; the folder, mapped. What is on the disk goes when that is gone."""
        self._records.write_header()
        self._file.close()
        folder = WeightFolder(self._folder)
        self._remove.detach()
        weakref.finalize(folder, shutil.rmtree, self._folder, ignore_errors=True)
        return folder
