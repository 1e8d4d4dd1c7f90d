"""Model packages: .mlpackage folders with a manifest, a model and, for ML Programs, a folder of weights.

:mod:`mltoolkit.formats.package_writing` makes them.

    Name.mlpackage/Manifest.json
    Name.mlpackage/Data/com.apple.CoreML/model.mlmodel
    Name.mlpackage/Data/com.apple.CoreML/weights/weight.bin

A manifest may come from anywhere, so the paths in it are never followed out of the package.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from mltoolkit.errors import ModelFileError
from mltoolkit.formats.atomic_file import TEMPORARY_NAMES

MANIFEST_NAME = "Manifest.json"
DATA_NAME = "Data"
WEIGHTS_NAME = "weights"
# What coremltools and the Finder add to a package; it belongs to the model in it.
_COMPANIONS = ("executorch_debug_handle_mapping.json", ".DS_Store")
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
        raise ModelFileError("the package's manifest names no root model", where=str(folder / MANIFEST_NAME))
    if not isinstance(entries.get(root), dict):
        raise ModelFileError(
            f"the package's manifest has no entry for its root model {root!r}", where=str(folder / MANIFEST_NAME)
        )
    model = _inside(folder, entries[root])
    if not model.is_file():
        raise ModelFileError(f"the package's model {str(model.relative_to(folder))!r} is missing", where=str(folder))
    weights = [entry for entry in entries.values() if isinstance(entry, dict) and entry.get("name") == WEIGHTS_NAME]
    return Package(folder, model, _inside(folder, weights[0]) if weights else None, len(entries))


def files_besides_model(package: Package) -> list[str]:
    """The files of a package that are no part of its model, as paths within it."""
    parts, weights = (package.model, package.folder / MANIFEST_NAME), package.weights
    return [
        path.relative_to(package.folder).as_posix()
        for path in sorted(package.folder.rglob("*"))
        if not (path.is_dir() or path in parts or path.name in _COMPANIONS or path.match(TEMPORARY_NAMES))
        and not (weights is not None and path.is_relative_to(weights))
    ]


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST_NAME
    if not path.is_file():
        what, fix = _recognise_folder(folder)
        raise ModelFileError(what, where=str(folder), fix=fix)
    try:
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ModelFileError("the package's manifest is a link out of the package", where=str(path))
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
        return "the folder is a TensorFlow SavedModel", "mltoolkit.convert() hands it to coremltools' converter"
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
    where = str(folder / MANIFEST_NAME)
    if not isinstance(text, str) or not text or "\0" in text:
        raise ModelFileError("the package's manifest has an entry without a path", where=where)
    relative = PurePosixPath(text)
    if relative.is_absolute() or PureWindowsPath(text).anchor or ".." in PureWindowsPath(text).parts:
        raise ModelFileError(f"the package's manifest points out of the package: {text!r}", where=where)
    path = folder / DATA_NAME / relative
    try:
        escapes = not path.resolve().is_relative_to((folder / DATA_NAME).resolve())
        outside = not (folder / DATA_NAME).resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError) as error:  # loops of symbolic links, half of a surrogate pair
        raise ModelFileError(f"the path {text!r} of the package's manifest cannot be followed", where=where) from error
    if escapes or outside:
        raise ModelFileError(f"the package's path {text!r} is a link out of the package", where=where)
    return path
