"""Samples in NumPy's files: ``.npy`` holds the value of a model's only input, ``.npz`` one value for each input.

A file holds one sample, or many along a further first axis. Nothing in it is ever unpickled.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import InputError
from mltoolkit.formats.array_shapes import same_elements
from mltoolkit.formats.features import ArrayFeature, Feature, ImageFeature

#: Compared in lower case.
ARRAY_EXTENSIONS = frozenset({".npy", ".npz"})


@dataclass(frozen=True)
class ArrayFile:
    """A file and what its headers say.

    Attributes:
        path: the file.
        names: the inputs whose values it holds; for ``.npy`` the only one.
        rows: how many samples it holds along the first axis; None where it holds one that has no such axis.
    """

    path: Path
    names: tuple[str, ...]
    rows: int | None

    @property
    def count(self) -> int:
        """How many samples it holds."""
        return 1 if self.rows is None else self.rows

    def values(self) -> Iterator[dict[str, NDArray[Any]]]:
        """The inputs of each sample by name. Rows of a ``.npy`` file are read from the disk when they are used.

        Raises:
            InputError: the file can no longer be read.
        """
        arrays = self._load()
        if self.rows is None:
            yield dict(arrays)
            return
        for row in range(self.rows):
            yield {name: array[row] for name, array in arrays.items()}

    def _load(self) -> Mapping[str, NDArray[Any]]:
        try:
            if self.path.suffix.lower() == ".npy":
                # Of single samples there may be thousands, and a mapped file stays open.
                array = np.load(self.path, mmap_mode="r" if self.rows else None, allow_pickle=False)
                return {self.names[0]: array}
            with np.load(self.path, allow_pickle=False) as archive:
                return {name: archive[name] for name in self.names}
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise InputError(f"the arrays cannot be read: {error}", where=str(self.path)) from error


def read_array_file(path: Path, inputs: Sequence[Feature], single: Feature | None) -> ArrayFile:
    """Look at a file's headers.

    Args:
        path: a ``.npy`` or ``.npz`` file.
        inputs: the model's inputs.
        single: the input that a ``.npy`` file stands for; None where there is no such.

    Raises:
        InputError: it cannot be read, or its arrays do not go together.
    """
    where = str(path)
    try:
        shapes = _npy_shapes(path, single) if path.suffix.lower() == ".npy" else _npz_shapes(path)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"it is no file of arrays that can be read: {error}", where=where) from error
    features = {feature.name: feature for feature in inputs}
    rows = {name: _rows(features[name], shape) for name, shape in shapes.items() if name in features}
    counts = set(rows.values())
    if len(counts) > 1:
        said = ", ".join(f"{name!r}: {shapes[name]}" for name in rows)
        raise InputError(
            f"its arrays hold different numbers of samples ({said})",
            where=where,
            fix="Give one sample a file, or arrays with the samples along the first axis",
        )
    if counts == {0}:
        raise InputError("its arrays hold no sample", where=where)
    # What no input is called is left to the model, which names those that come close.
    return ArrayFile(path, tuple(shapes), counts.pop() if counts else None)


def _npy_shapes(path: Path, single: Feature | None) -> dict[str, tuple[int, ...]]:
    if single is None:
        raise InputError(
            "a .npy file does not say which input it is for",
            where=str(path),
            fix="Give .npz files, with an array for each input (numpy.savez)",
        )
    with path.open("rb") as file:
        return {single.name: _shape(file)}


def _npz_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    shapes = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            with archive.open(member) as file:
                shapes[member.removesuffix(".npy")] = _shape(file)
    if not shapes:
        raise ValueError("it holds no array")
    return shapes


def _shape(file: IO[bytes]) -> tuple[int, ...]:
    """The shape that a header states (numpy.lib.format)."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects instead of numbers")
    return tuple(shape)


def _rows(feature: Feature, shape: tuple[int, ...]) -> int | None:
    """How many samples an array of this shape holds along its first axis; None where it is one sample."""
    if _fits(feature, shape) or not shape or not _fits(feature, shape[1:]):
        return None
    return shape[0]


def _fits(feature: Feature, shape: tuple[int, ...]) -> bool:
    if isinstance(feature, ArrayFeature):
        return feature.allows(shape) or same_elements(shape, feature.shape)
    if isinstance(feature, ImageFeature):
        return len(shape) in (2, 3)
    return math.prod(shape) == 1
