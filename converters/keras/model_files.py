"""Reading Keras models: `.keras` archives and HDF5 files."""

from __future__ import annotations

import json
import logging
import re
import shutil
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mltoolkit.converters.keras.code_in_files import code_refusal, refuse_code
from mltoolkit.converters.keras.legacy_config import repair
from mltoolkit.converters.keras.shipped_faces import import_shipped_faces
from mltoolkit.errors import MissingExtraError, ModelFileError, UnsupportedModelError

logger = logging.getLogger(__name__)

_HDF5_SUFFIXES = (".h5", ".hdf5")
# What Keras says of a class it does not know, in its newer and older readers.
_UNKNOWN_CLASS = re.compile(r"(?:Could not locate (?:class|function) |Unknown \w+: )'?\"?(\w+)")
# What reading an archive that is damaged raises; RuntimeError covers encryption and JSON that is nested too deep.
_DAMAGED = (OSError, KeyError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error)
# What Keras says of code in a file.
_CODE = re.compile(r"safe_mode|unsafe|[Ll]ambda")


def read_model(keras: Any, path: Path, custom_objects: Mapping[str, Any] | None) -> Any:
    """Load a model without compiling it and without running code that the file contains.

    Args:
        keras: the module ``keras``.
        path: a ``.keras`` archive, or an HDF5 file (``.h5``, ``.hdf5``).
        custom_objects: classes and functions that the file refers to, by name.

    Raises:
        ModelFileError: the file is missing, damaged or no Keras model.
        UnsupportedModelError: it contains code, or refers to a class that is not given.
        MissingExtraError: h5py is not installed.
    """
    if not path.is_file():
        raise ModelFileError(f"there is no file {path}")
    if path.suffix in _HDF5_SUFFIXES:
        return _read_hdf5(keras, path, custom_objects)
    if path.suffix != ".keras":
        raise ModelFileError(
            f"{path.suffix or 'a file without suffix'} is no format of Keras models",
            where=str(path),
            fix="Keras models are .keras archives and .h5 or .hdf5 files",
        )
    if not zipfile.is_zipfile(path):
        raise ModelFileError("the file is not a .keras archive, or is cut off", where=str(path))
    config = _archived_config(path)
    refuse_code(config, path)
    import_shipped_faces(config)
    return _load(keras, path, path, custom_objects)


def _load(keras: Any, path: Path, shown: Path, custom_objects: Mapping[str, Any] | None) -> Any:
    where = str(shown)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about what only training needs
            return keras.models.load_model(
                str(path), custom_objects=dict(custom_objects or {}), compile=False, safe_mode=True
            )
    except MemoryError:
        raise
    except Exception as error:  # whatever the readers of zip, JSON and HDF5 raise on a damaged file
        text = " ".join(str(error).split())
        unknown = _UNKNOWN_CLASS.search(text)
        if unknown:
            name = unknown.group(1)
            raise UnsupportedModelError(
                f"the file refers to {name!r}, which is not part of Keras",
                where=where,
                fix=f"Give custom_objects={{{name!r}: {name}}}, and a custom conversion function for it if it is a "
                "layer that does more than call Keras layers",
            ) from error
        if isinstance(error, (ValueError, TypeError)) and _CODE.search(text):
            raise code_refusal(shown) from error
        raise ModelFileError(
            f"Keras cannot read the file: {type(error).__name__}: {text[:300]}", where=where
        ) from error


def _read_hdf5(keras: Any, path: Path, custom_objects: Mapping[str, Any] | None) -> Any:
    config = _hdf5_config(path)
    refuse_code(config, path)
    import_shipped_faces(config)
    if "hard_sigmoid" in json.dumps(config) and _release(path) < 3:
        logger.warning("%s uses hard_sigmoid, which Keras 3 computes as relu6(x + 3) / 6, not as 0.2 x + 0.5", path)
    if not repair(config):
        return _load(keras, path, path, custom_objects)
    logger.info("%s was written by an older release of Keras; its configuration is read as that release did", path)
    import h5py

    with tempfile.TemporaryDirectory(prefix="mltoolkit_keras_") as folder:
        copy = Path(folder) / "model.h5"
        shutil.copyfile(path, copy)
        with h5py.File(copy, "r+") as file:
            file.attrs["model_config"] = json.dumps(config)
        return _load(keras, copy, path, custom_objects)


def _archived_config(path: Path) -> Any:
    """The model's configuration in a ``.keras`` archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read("config.json"))
    except _DAMAGED as error:
        raise ModelFileError(f"Keras cannot read the file: {type(error).__name__}: {error}", where=str(path)) from error


def _release(path: Path) -> int:
    """The release of Keras that wrote a file; 3 where it does not say."""
    import h5py

    with h5py.File(path, "r") as file:
        first = str(file.attrs.get("keras_version", "3")).partition(".")[0]
    return int(first) if first.isdigit() else 3


def _hdf5_config(path: Path) -> Any:
    """The model's configuration as JSON values."""
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError("h5py", "keras", "Reading an HDF5 file") from error
    try:
        with h5py.File(path, "r") as file:
            text = file.attrs.get("model_config")
            names = list(file.attrs)
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        raise ModelFileError(f"the file is not HDF5, or is cut off: {error}", where=str(path)) from error
    if text is None:
        what = "only holds weights" if {"layer_names", "weight_names"} & set(names) else "holds no Keras model"
        raise ModelFileError(
            f"the file {what}",
            where=str(path),
            fix="Build the model in Python, load the weights into it (model.load_weights) and give the model",
        )
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise ModelFileError(f"the model's configuration is damaged: {error}", where=str(path)) from error
