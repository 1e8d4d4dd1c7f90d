"""Core ML models to files: networks to .mlmodel or .mlpackage, ML Programs with their weights to .mlpackage."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from google.protobuf.message import EncodeError

from mltoolkit.errors import ArgumentError, ModelFileError
from mltoolkit.formats.atomic_file import write_atomically
from mltoolkit.formats.ml_program import program_of, weight_references
from mltoolkit.formats.model_file import path_of
from mltoolkit.formats.networks import iter_models
from mltoolkit.formats.package_writing import write_package
from mltoolkit.formats.read_faults import MODEL_SUFFIXES
from mltoolkit.formats.weight_blob import WeightFile, WeightFolder


def write_spec(
    spec: Any, path: str | os.PathLike[str], overwrite: bool = True, weights: WeightFolder | None = None
) -> None:
    """Write a model to a .mlmodel file or a .mlpackage folder.

    The target holds either what was there or the complete new model, however writing ends; see
    :mod:`mltoolkit.formats.atomic_file` and :mod:`mltoolkit.formats.folder_swap`. Equal models give equal bytes.

    Args:
        spec: a ``Model`` message.
        path: where to; the suffix chooses between file and package. A link is followed.
        overwrite: whether an existing model may be replaced.
        weights: the weight files of ML Programs. Those that the model refers to are copied as they are.

    Raises:
        ArgumentError: ``path`` is not a path, or its suffix is not one that the model can have: ML Programs are
            packages, other models are files or packages.
        InvalidModelError: an ML Program refers to weights that there are not.
        ModelFileError: it cannot be written there, or the model has 2 GB or more.
    """
    target = check_target(spec, path)
    suffix = target.suffix.lower()
    programs = _programs(spec)
    files = _weight_files(programs, weights or WeightFolder())
    data = _serialize(spec, target)
    try:
        if target.exists() and not overwrite:
            raise ModelFileError("there is a file of that name already", where=str(target), fix="Choose another name")
        if suffix == ".mlpackage":
            write_package(target, data, files)
        elif target.is_dir():
            raise ModelFileError("the path is a folder", where=str(target), fix="Give the name of a file in it")
        else:
            write_atomically(target, data)
    except OSError as error:
        reason = "there is no such folder" if not target.parent.is_dir() else error.strerror or str(error)
        raise ModelFileError(f"the model cannot be written: {reason}", where=str(target)) from error


def check_target(spec: Any, path: str | os.PathLike[str]) -> Path:
    """Where a model is to be written, with links followed; also to be asked before long work on the model.

    Args:
        spec: a ``Model`` message.
        path: where to.

    Raises:
        ArgumentError: ``path`` is not a path, or its suffix is not one that the model can have.
        ModelFileError: there is no such folder.
    """
    target = Path(os.path.realpath(path_of(path)))
    programs = _programs(spec)
    possible = (".mlpackage",) if programs else MODEL_SUFFIXES
    if target.suffix.lower() not in possible:
        raise ArgumentError(
            f"{'an ML Program' if programs else 'a model'} is saved as {' or '.join(possible)}, not as {target.name!r}",
            fix=f"Use the name {target.stem + possible[0]!r}",
        )
    if not target.parent.is_dir():
        raise ModelFileError("the model cannot be written: there is no such folder", where=str(target))
    return target


def _programs(spec: Any) -> list[Any]:
    return [model for _, model in iter_models(spec) if program_of(model) is not None]


def _weight_files(programs: list[Any], weights: WeightFolder) -> dict[str, WeightFile]:
    """The files that ML Programs read, by name."""
    references = dict.fromkeys(name for program in programs for name in weight_references(program))
    files = [weights.file(reference) for reference in references]
    return {file.path.name: file for file in files}


def _serialize(spec: Any, target: Path) -> bytes:
    try:
        data: bytes = spec.SerializeToString(deterministic=True)
    except EncodeError as error:
        raise ModelFileError(
            "the model has 2 GB or more, which protobuf cannot serialise",
            where=str(target),
            fix="Quantize it, or save fewer models in one pipeline",
        ) from error
    return data
