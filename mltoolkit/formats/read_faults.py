"""Why a file cannot be read as a Core ML model, as an error to raise."""

from __future__ import annotations

import mmap
from collections.abc import Collection
from pathlib import Path
from typing import Any

from mltoolkit.errors import ModelFileError, did_you_mean
from mltoolkit.formats.foreign_files import recognise
from mltoolkit.formats.protobuf import NEWEST_SPECIFICATION_VERSION, new_model
from mltoolkit.formats.wire_scan import scan_wire

MODEL_SUFFIXES = (".mlmodel", ".mlpackage")


def missing_file(file: Path, suffixes: Collection[str] = MODEL_SUFFIXES) -> ModelFileError:
    """There is no such file: the names like it in that folder, of those with one of the suffixes."""
    folder = file.parent
    if not folder.is_dir():
        return ModelFileError(f"there is no file {str(file)!r}", fix=f"The folder {str(folder)!r} does not exist")
    try:
        models = sorted(entry.name for entry in folder.iterdir() if entry.suffix.lower() in suffixes)
    except OSError:
        models = []
    where_models = did_you_mean(file.name, models) if models else f"That folder holds no {' and no '.join(suffixes)}"
    return ModelFileError(f"there is no file {str(file)!r}", fix=where_models)


def foreign_file(file: Path) -> ModelFileError | None:
    """The file is of another kind that can be named; None if it is not."""
    known = recognise(file)
    if known is None:
        return None
    what, fix = known
    return ModelFileError(
        f"the file is {what}, not a Core ML model",
        where=str(file),
        fix=fix or "Give a .mlmodel file or a .mlpackage folder",
    )


def damaged_file(file: Path, data: mmap.mmap, error: Exception) -> ModelFileError:
    """protobuf refuses the file: whether it is truncated, damaged or something unknown.

    Args:
        file: its path.
        data: its content.
        error: what protobuf said.
    """
    with memoryview(data) as view:
        scan = scan_wire(view)
    known_fields = set(new_model().DESCRIPTOR.fields_by_number)
    looks_like_model = bool(scan.fields) and set(scan.fields) <= known_fields
    if "MaxDepth" in str(error) or isinstance(error, RecursionError):
        return ModelFileError("the file nests messages deeper than any model does", where=str(file))
    if looks_like_model and scan.missing_bytes:
        return ModelFileError(
            f"the file is truncated: at least {scan.missing_bytes} of its bytes are missing",
            where=str(file),
            fix="Copy or download it again",
        )
    if looks_like_model:
        return ModelFileError("the file is a damaged Core ML model", where=str(file), fix="Copy or download it again")
    return ModelFileError(
        "the file is not a Core ML model, nor anything else known here",
        where=str(file),
        fix="Give a .mlmodel file or a .mlpackage folder",
    )


def file_without_model(file: Path, spec: Any) -> ModelFileError:
    """The file is protobuf, but no kind of model that is known."""
    if spec.HasField("description") or spec.specificationVersion:
        version = spec.specificationVersion
        newer = version > NEWEST_SPECIFICATION_VERSION
        return ModelFileError(
            f"the file describes a model of specification version {version} but holds none known here",
            where=str(file),
            fix="A newer coremltools may know it" if newer else "It may be truncated: copy or download it again",
        )
    return ModelFileError(
        "the file is not a Core ML model, nor anything else known here",
        where=str(file),
        fix="Give a .mlmodel file or a .mlpackage folder",
    )
