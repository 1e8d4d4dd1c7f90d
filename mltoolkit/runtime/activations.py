"""Arrays of many samples between two sections of a graph: in memory as far as they fit, else in a temporary file."""

from __future__ import annotations

import logging
import tempfile
import threading
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_log = logging.getLogger(__name__)


class _Place:
    """An array that lies in a file."""

    def __init__(self, file: _File, array: NDArray[Any]) -> None:
        self._file = file
        self._dtype, self._shape = array.dtype, array.shape
        self._start = file.append(np.ascontiguousarray(array))

    def read(self) -> NDArray[Any]:
        array = np.empty(self._shape, self._dtype)
        self._file.read_into(array, self._start)
        return array


class _File:
    """A temporary file that is gone once nothing in it is wanted any more."""

    def __init__(self) -> None:
        # Without a buffer a full disk shows at once.
        self._file = tempfile.TemporaryFile(prefix="mltoolkit-", suffix=".activations", buffering=0)  # noqa: SIM115
        self._end = 0
        self._lock = threading.Lock()

    def append(self, array: NDArray[Any]) -> int:
        """Write an array behind all others; where it starts."""
        rest = array.reshape(-1).view(np.uint8).data
        with self._lock:
            start = self._end
            self._file.seek(start)
            while rest:
                rest = rest[self._file.write(rest) :]
            self._end += array.nbytes
            return start

    def read_into(self, array: NDArray[Any], start: int) -> None:
        """Fill an array with what was written there."""
        rest = array.reshape(-1).view(np.uint8).data
        with self._lock:
            self._file.seek(start)
            while rest:
                count = self._file.readinto(rest)
                if not count:
                    raise OSError("a temporary file has become shorter")
                rest = rest[count:]


class ActivationStore:
    """Named arrays of every sample.

    Args:
        samples: how many samples there are.
        memory: how many bytes stay in memory; what is kept beyond them goes to a temporary file.
    """

    def __init__(self, samples: int, memory: int) -> None:
        self._arrays: list[dict[str, NDArray[Any] | _Place]] = [{} for _ in range(samples)]
        self._memory = memory
        self._held = 0
        self._file: _File | None = None
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """How many bytes are held in memory."""
        return self._held

    def new_file(self) -> None:
        """Write to another file from now on; a file goes away with the last array in it."""
        self._file = None

    def has(self, sample: int, name: str) -> bool:
        """Whether the array is kept."""
        return name in self._arrays[sample]

    def get(self, sample: int, name: str) -> NDArray[Any]:
        """An array of a sample; not to be changed."""
        found = self._arrays[sample][name]
        return found.read() if isinstance(found, _Place) else found

    def replace(self, sample: int, arrays: Mapping[str, NDArray[Any]], keep: Iterable[str]) -> None:
        """Keep, of what there is, only the names in ``keep``, and add ``arrays``."""
        before = self._arrays[sample]
        after = {name: before[name] for name in keep if name in before}
        gone = [array for name, array in before.items() if name not in after]
        dropped = sum(array.nbytes for array in gone if not isinstance(array, _Place))
        with self._lock:
            self._held -= dropped
        for name, array in arrays.items():
            after[name] = self._place(array)
        self._arrays[sample] = after

    def _place(self, array: NDArray[Any]) -> NDArray[Any] | _Place:
        with self._lock:
            if self._held + array.nbytes <= self._memory:
                self._held += array.nbytes
                return array
            file = self._file
        try:
            if file is None:
                with self._lock:
                    file = self._file = self._file or _File()
            return _Place(file, array)
        except OSError as error:
            _log.warning("activations stay in memory: they cannot be written to a temporary file: %s", error)
            with self._lock:
                self._held += array.nbytes
                self._memory = max(self._memory, self._held)
            return array
