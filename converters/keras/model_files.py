"""Reading Keras models: `.keras` archives and HDF5 files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mltoolkit.errors import ModelFileError


def read_model(keras: Any, path: Path, custom_objects: Mapping[str, Any] | None) -> Any:
    """Load a model without compiling it.

    Raises:
        ModelFileError: the file is missing, damaged or no Keras model.
    """
    if not path.is_file():
        raise ModelFileError(f"there is no file {path}")
    return keras.models.load_model(path, custom_objects=dict(custom_objects or {}), compile=False, safe_mode=True)
