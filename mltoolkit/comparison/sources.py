"""What ``sample_data`` may be: one stream of named samples, whatever was given."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mltoolkit.comparison.array_files import ARRAY_EXTENSIONS, ArrayFile, read_array_file
from mltoolkit.comparison.folders import IMAGE_EXTENSIONS, list_files
from mltoolkit.comparison.records import UnreadableInput
from mltoolkit.errors import ComparisonError, InputError
from mltoolkit.formats.features import Feature, ImageFeature

_ACCEPTED = (
    "Give a folder of pictures or of .npz files, or a list or iterator of input dictionaries such as"
    " [{'image': 'cat.jpg'}]"
    " (of pictures, paths or arrays where the model has one input)"
)


@dataclass(frozen=True, slots=True)
class Sample:
    """One input of the comparison.

    Attributes:
        index: place in the sample data, from 0.
        name: what the report calls it: the path of a file (relative to a given folder), else "input 7".
        value: a dictionary by input name; or the value of the model's single input: for an image a path,
            PIL image or array.
    """

    index: int
    name: str
    value: Any


@dataclass(frozen=True)
class SampleStream:
    """Samples in a fixed order.

    Attributes:
        samples: to be consumed once; endless where the caller's iterator is.
        total: how many there are, None where that is unknown.
        source: what they come from, for messages.
        single_input: the input that a sample which is not a dictionary stands for; None where there is no
            such.
        unreadable: what could not be read while listing them.
    """

    samples: Iterator[Sample]
    total: int | None
    source: str
    single_input: Feature | None
    unreadable: tuple[UnreadableInput, ...] = ()


def open_samples(sample_data: Any, inputs: Sequence[Feature]) -> SampleStream:
    """The samples in ``sample_data`` for a model with these inputs.

    Args:
        sample_data: a folder of pictures or one picture file (``str`` or path); likewise of ``.npz`` files with
            an array for each input, or ``.npy`` files for a single input, which hold one sample or many along a
            further first axis; a PIL image; or an iterable whose items are dictionaries by input name, or values
            of the model's single input. A generator must yield a new array each time: several samples are under
            way at once.
        inputs: the model's inputs.

    Raises:
        ComparisonError: there is nothing in it, it is of no such kind, or does not suit the inputs.
    """
    if isinstance(sample_data, str | os.PathLike):
        return _open_path(Path(os.fsdecode(sample_data)), inputs)
    if isinstance(sample_data, Image.Image):
        sample_data = [sample_data]
    if isinstance(sample_data, Mapping | np.ndarray | bytes) or not isinstance(sample_data, Iterable):
        raise ComparisonError(f"sample data of type {type(sample_data).__name__} cannot be compared on", fix=_ACCEPTED)
    total = len(sample_data) if isinstance(sample_data, Sized) else None
    source = "the given list" if total is not None else "the given iterator"
    if total == 0:
        raise ComparisonError("the sample data is empty", fix=_ACCEPTED)
    single = _single_input(inputs)
    return SampleStream(_number(sample_data, inputs, single), total, source, single)


def read_again(sample_data: Any) -> Any:
    """Sample data that can be opened several times: what an iterator gives is read into a list."""
    once = isinstance(sample_data, Iterable) and not isinstance(sample_data, Sized | str | os.PathLike)
    return list(sample_data) if once else sample_data


def _open_path(path: Path, inputs: Sequence[Feature]) -> SampleStream:
    if not path.exists():
        raise ComparisonError(
            "the sample data does not exist",
            where=str(path),
            fix=f"Check the path; it is relative to {Path.cwd()}",
        )
    single = _single_input(inputs)
    picture = single if isinstance(single, ImageFeature) else None
    if not path.is_dir():
        if path.suffix.lower() in ARRAY_EXTENSIONS:
            return _arrays([path], path, inputs, single, [])
        if picture is None:
            raise _pictures_alone(path, inputs)
        return SampleStream(iter([Sample(0, str(path), path)]), 1, str(path), picture)
    pictures, unreadable = list_files(path, IMAGE_EXTENSIONS)
    if pictures and picture is not None:
        samples = (Sample(i, file.relative_to(path).as_posix(), file) for i, file in enumerate(pictures))
        return SampleStream(samples, len(pictures), str(path), picture, _listed(unreadable))
    arrays, unreadable = list_files(path, ARRAY_EXTENSIONS)
    if arrays:
        return _arrays(arrays, path, inputs, single, unreadable)
    if pictures:
        raise _pictures_alone(path, inputs)
    reasons = "".join(f"; {folder}: {reason}" for folder, reason in unreadable[:3])
    wanted = "no picture" if picture is not None else "no .npy or .npz file"
    raise ComparisonError(
        f"the folder holds {wanted}{reasons}",
        where=str(path),
        fix=f"Pictures are {' '.join(sorted(IMAGE_EXTENSIONS))} files at any depth that are not hidden"
        if picture is not None
        else f"Give samples for the inputs {_describe(inputs)}: a .npz file each, or one with a further first axis",
    )


def _arrays(
    files: Sequence[Path],
    path: Path,
    inputs: Sequence[Feature],
    single: Feature | None,
    unreadable: list[tuple[Path, str]],
) -> SampleStream:
    """The samples in NumPy's files; a file that cannot be read is left out of a folder."""
    readable: list[ArrayFile] = []
    for file in files:
        try:
            readable.append(read_array_file(file, inputs, single))
        except InputError as error:
            if len(files) == 1:
                raise ComparisonError(error.what, where=error.where, fix=error.fix) from error
            unreadable = [*unreadable, (file, error.what)]
    if not readable:
        raise ComparisonError(
            f"not one of {len(files)} files of arrays can be read; the first, {unreadable[0][0]}: {unreadable[0][1]}",
            where=str(path),
        )
    samples = (Sample(index, name, values) for index, (name, values) in enumerate(_named_values(readable, path)))
    return SampleStream(samples, sum(file.count for file in readable), str(path), single, _listed(unreadable))


def _named_values(files: Sequence[ArrayFile], path: Path) -> Iterator[tuple[str, Any]]:
    for file in files:
        name = file.path.name if file.path == path else file.path.relative_to(path).as_posix()
        for row, values in enumerate(file.values()):
            yield name if file.rows is None else f"{name}[{row}]", values


def _listed(unreadable: Iterable[tuple[Path, str]]) -> tuple[UnreadableInput, ...]:
    return tuple(UnreadableInput(str(path), reason) for path, reason in unreadable)


def _pictures_alone(path: Path, inputs: Sequence[Feature]) -> ComparisonError:
    return ComparisonError(
        "pictures alone are not enough for this model, whose inputs are " + _describe(inputs),
        where=str(path),
        fix="Give .npz files with a value for each of them, or a list or iterator of dictionaries",
    )


def _single_input(inputs: Sequence[Feature]) -> Feature | None:
    required = [feature for feature in inputs if not feature.optional]
    candidates = required or list(inputs)
    return candidates[0] if len(candidates) == 1 else None


def _number(items: Iterable[Any], inputs: Sequence[Feature], single: Feature | None) -> Iterator[Sample]:
    for index, item in enumerate(items):
        if isinstance(item, Mapping):
            # Copied, since a generator may fill the same dictionary again while this one waits.
            yield Sample(index, _name(index, item.values()), dict(item))
            continue
        if single is None:
            raise ComparisonError(
                f"a {type(item).__name__} does not say which of the inputs {_describe(inputs)} it is for",
                where=f"input {index} of the sample data",
                fix="Give a dictionary by input name",
            )
        yield Sample(index, _name(index, [item]), item)


def _name(index: int, values: Iterable[Any]) -> str:
    for value in values:
        if isinstance(value, str | os.PathLike):
            return os.fsdecode(value)
        # PIL keeps the path of an image that was opened from a file.
        filename = getattr(value, "filename", None) if isinstance(value, Image.Image) else None
        if isinstance(filename, str) and filename:
            return filename
    return f"input {index}"


def _describe(inputs: Sequence[Feature]) -> str:
    if not inputs:
        return "none"
    kinds = (type(feature).__name__.removesuffix("Feature").lower() for feature in inputs)
    return ", ".join(
        f"{feature.name!r} ({kind}{', optional' if feature.optional else ''})"
        for feature, kind in zip(inputs, kinds, strict=True)
    )
