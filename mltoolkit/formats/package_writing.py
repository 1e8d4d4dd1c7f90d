"""Writing .mlpackage folders, laid out as coremltools lays them out: see :mod:`mltoolkit.formats.package`."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

from mltoolkit.errors import ModelFileError
from mltoolkit.formats.atomic_file import sync_folder, temporary_name, write_atomically, write_durably
from mltoolkit.formats.folder_swap import swap_folders
from mltoolkit.formats.package import DATA_NAME, MANIFEST_NAME, WEIGHTS_NAME, files_besides_model, open_package
from mltoolkit.formats.weight_blob import WeightFile

_AUTHOR = "com.apple.CoreML"
_MODEL_NAME = "model.mlmodel"


def write_package(folder: Path, model: bytes, weights: Mapping[str, WeightFile]) -> None:
    """Write a package; one that is there already is replaced once the new one is complete.

    Args:
        folder: where to. The weights may lie in the very package that is replaced: they are copied from the
            files that were mapped when the model was loaded, and no existing file is written to.
        model: the serialised ``Model`` message.
        weights: its weight files by name; they are copied piece by piece.

    Raises:
        OSError: it cannot be written.
        ModelFileError: what is there is no package, or one that holds more than a model and its weights.
    """
    existing = open_package(folder) if folder.exists() else None
    if existing is not None:
        more = files_besides_model(existing)
        if more:
            raise ModelFileError(
                f"the package there holds more than a model and its weights, which would be lost: {more[0]!r}",
                where=str(folder),
                fix="Choose another name, or delete it first",
            )
        if existing.items == 1 and not weights:
            write_atomically(existing.model, model)
            return
    temporary, spare = temporary_name(folder.parent), temporary_name(folder.parent)
    try:
        _fill(temporary, model, weights)
        if existing is None:
            temporary.rename(folder)
        else:
            swap_folders(temporary, folder, spare)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if folder.exists():
            shutil.rmtree(spare, ignore_errors=True)
    sync_folder(folder.parent)


def _fill(folder: Path, model: bytes, weights: Mapping[str, WeightFile]) -> None:
    data = folder / DATA_NAME / _AUTHOR
    for path in (folder, data.parent, data):
        path.mkdir()
    write_durably(data / _MODEL_NAME, (model,))
    if weights:
        (data / WEIGHTS_NAME).mkdir()
        for name, file in weights.items():
            write_durably(data / WEIGHTS_NAME / name, file.parts())
        sync_folder(data / WEIGHTS_NAME)
    write_durably(folder / MANIFEST_NAME, (_manifest(bool(weights)),))
    for path in (data, data.parent, folder):
        sync_folder(path)


def _manifest(with_weights: bool) -> bytes:
    entries = {_identifier(_MODEL_NAME): _entry(_MODEL_NAME, "CoreML Model Specification")}
    if with_weights:
        entries[_identifier(WEIGHTS_NAME)] = _entry(WEIGHTS_NAME, "CoreML Model Weights")
    manifest = {
        "fileFormatVersion": "1.0.0",
        "itemInfoEntries": entries,
        "rootModelIdentifier": _identifier(_MODEL_NAME),
    }
    return json.dumps(manifest, indent=4).encode()


def _identifier(name: str) -> str:
    # Identifiers need to be unique in the package only; fixed ones make equal models equal packages.
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{_AUTHOR}/{name}"))


def _entry(name: str, description: str) -> dict[str, str]:
    return {"author": _AUTHOR, "description": description, "name": name, "path": f"{_AUTHOR}/{name}"}
