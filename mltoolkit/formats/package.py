"""Model packages: .mlpackage folders with a manifest, a model and, for ML Programs, a folder of weights.

    Name.mlpackage/Manifest.json
    Name.mlpackage/Data/com.apple.CoreML/model.mlmodel
    Name.mlpackage/Data/com.apple.CoreML/weights/weight.bin

A manifest may come from anywhere, so the paths in it are never followed out of the package.
"""

from __future__ import annotations

import json
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from mltoolkit.errors import ModelFileError
from mltoolkit.formats.atomic_file import sync_folder, temporary_name, write_atomically, write_durably

_MANIFEST = "Manifest.json"
_DATA = "Data"
_AUTHOR = "com.apple.CoreML"
_MODEL_NAME = "model.mlmodel"
# A manifest lists a handful of items; anything larger is none.
_MAX_MANIFEST_BYTES = 1 << 20


@dataclass(frozen=True)
class Package:
    """Where the parts of a package lie.

    Attributes:
        folder: the package.
        model: the root model's file.
        weights: the folder of weights that ML Programs refer to as ``@model_path/weights``, if there is one.
        items: the number of items that the manifest lists.
    """

    folder: Path
    model: Path
    weights: Path | None
    items: int


def open_package(folder: Path) -> Package:
    """Find the root model of a package.

    Raises:
        ModelFileError: the folder is no package, or its manifest is damaged or points out of it.
    """
    manifest = _read_manifest(folder)
    entries = manifest.get("itemInfoEntries")
    root = manifest.get("rootModelIdentifier")
    if not isinstance(entries, dict) or not isinstance(root, str):
        raise ModelFileError("the package's manifest names no root model", where=str(folder / _MANIFEST))
    if not isinstance(entries.get(root), dict):
        raise ModelFileError(
            f"the package's manifest has no entry for its root model {root!r}", where=str(folder / _MANIFEST)
        )
    model = _inside(folder, entries[root])
    if not model.is_file():
        raise ModelFileError(f"the package's model {str(model.relative_to(folder))!r} is missing", where=str(folder))
    weights = [entry for entry in entries.values() if isinstance(entry, dict) and entry.get("name") == "weights"]
    return Package(folder, model, _inside(folder, weights[0]) if weights else None, len(entries))


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / _MANIFEST
    if not path.is_file():
        what, fix = _recognise_folder(folder)
        raise ModelFileError(what, where=str(folder), fix=fix)
    try:
        if path.stat().st_size > _MAX_MANIFEST_BYTES:
            raise ValueError("it is too large")
        manifest = json.loads(path.read_bytes())
    except OSError as error:
        raise ModelFileError(f"the manifest cannot be read: {error.strerror or error}", where=str(path)) from error
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"the package's manifest is damaged: {error}", where=str(path)) from error
    if not isinstance(manifest, dict):
        raise ModelFileError("the package's manifest is damaged: it is no JSON object", where=str(path))
    return manifest


def _recognise_folder(folder: Path) -> tuple[str, str]:
    names = {entry.name for entry in folder.iterdir()}
    if folder.suffix.lower() == ".mlmodelc" or "coremldata.bin" in names:
        return "the folder is a compiled model", "Give the .mlmodel or .mlpackage it was compiled from"
    if "saved_model.pb" in names:
        return "the folder is a TensorFlow SavedModel", "coremltools.convert() makes a Core ML model of it"
    models = sorted(name for name in names if Path(name).suffix.lower() in (".mlmodel", ".mlpackage"))
    if models:
        shown = ", ".join(map(repr, models[:5])) + (" …" if len(models) > 5 else "")
        return "the path is a folder, not a model", f"Give one of the models in it: {shown}"
    return (
        "the folder is not a model package: it has no Manifest.json",
        "Give a .mlmodel file or a .mlpackage folder",
    )


def _inside(folder: Path, entry: dict[str, Any]) -> Path:
    """The path of a manifest's entry, once it is sure to lie in the package's Data folder."""
    text = entry.get("path")
    where = str(folder / _MANIFEST)
    if not isinstance(text, str) or not text or "\0" in text:
        raise ModelFileError("the package's manifest has an entry without a path", where=where)
    relative = PurePosixPath(text)
    if relative.is_absolute() or PureWindowsPath(text).anchor or ".." in PureWindowsPath(text).parts:
        raise ModelFileError(f"the package's manifest points out of the package: {text!r}", where=where)
    path = folder / _DATA / relative
    try:
        escapes = not path.resolve().is_relative_to((folder / _DATA).resolve())
        outside = not (folder / _DATA).resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError) as error:  # loops of symbolic links
        raise ModelFileError(f"the path {text!r} of the package's manifest cannot be followed", where=where) from error
    if escapes or outside:
        raise ModelFileError(f"the package's path {text!r} is a link out of the package", where=where)
    return path


def write_package(folder: Path, model: bytes) -> None:
    """Write a package that holds nothing but a model.

    A package that is there already gets the new model in place of its own, in one step.

    Raises:
        OSError: it cannot be written.
        ModelFileError: what is there is no package, or one that holds more than a model.
    """
    if folder.exists():
        package = open_package(folder)
        if package.items != 1:
            raise ModelFileError(
                "the package there holds more than a model, which would be left behind",
                where=str(folder),
                fix="Choose another name, or delete it first",
            )
        write_atomically(package.model, model)
        return
    temporary = temporary_name(folder.parent)
    try:
        data = temporary / _DATA / _AUTHOR
        temporary.mkdir()
        data.mkdir(parents=True)
        write_durably(data / _MODEL_NAME, model)
        write_durably(temporary / _MANIFEST, _manifest())
        for path in (data, data.parent, temporary):
            sync_folder(path)
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_folder(folder.parent)


def _manifest() -> bytes:
    # Identifiers need to be unique in the package only; a fixed one makes equal models equal packages.
    identifier = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{_AUTHOR}/{_MODEL_NAME}"))
    entry = {
        "author": _AUTHOR,
        "description": "CoreML Model Specification",
        "name": _MODEL_NAME,
        "path": f"{_AUTHOR}/{_MODEL_NAME}",
    }
    manifest = {
        "fileFormatVersion": "1.0.0",
        "itemInfoEntries": {identifier: entry},
        "rootModelIdentifier": identifier,
    }
    return json.dumps(manifest, indent=4).encode()
