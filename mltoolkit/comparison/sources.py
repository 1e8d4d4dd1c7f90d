"""What ``sample_data`` may be: one stream of named samples, whatever was given."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mltoolkit.comparison.folders import IMAGE_EXTENSIONS, list_images
from mltoolkit.comparison.records import UnreadableInput
from mltoolkit.errors import ComparisonError
from mltoolkit.formats.features import Feature, ImageFeature

_ACCEPTED = (
    "Give a folder of pictures, or a list or iterator of input dictionaries such as [{'image': 'cat.jpg'}]"
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
        sample_data: a folder of pictures or one picture file (``str`` or path), a PIL image, or an iterable
            whose items are dictionaries by input name, or values of the model's single input. A generator
            must yield a new array each time: several samples are under way at once.
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
    image = _image_input(path, inputs)
    if not path.exists():
        raise ComparisonError(
            "the sample data does not exist",
            where=str(path),
            fix=f"Check the path; it is relative to {Path.cwd()}",
        )
    if not path.is_dir():
        return SampleStream(iter([Sample(0, str(path), path)]), 1, str(path), image)
    files, unreadable = list_images(path)
    if not files:
        reasons = "".join(f"; {folder}: {reason}" for folder, reason in unreadable[:3])
        raise ComparisonError(
            f"the folder holds no picture{reasons}",
            where=str(path),
            fix=f"Pictures are {' '.join(sorted(IMAGE_EXTENSIONS))} files at any depth that are not hidden",
        )
    samples = (Sample(i, file.relative_to(path).as_posix(), file) for i, file in enumerate(files))
    listed = tuple(UnreadableInput(str(folder), reason) for folder, reason in unreadable)
    return SampleStream(samples, len(files), str(path), image, listed)


def _image_input(path: Path, inputs: Sequence[Feature]) -> ImageFeature:
    """The only image input of a model that needs nothing else."""
    required = [feature for feature in inputs if not feature.optional]
    candidates = required or list(inputs)
    if len(candidates) == 1 and isinstance(candidates[0], ImageFeature):
        return candidates[0]
    raise ComparisonError(
        "pictures alone are not enough for this model, whose inputs are " + _describe(inputs),
        where=str(path),
        fix="Give a list or iterator of dictionaries with a value for each of them",
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
