"""Python code in model files.

Keras refuses it in ``safe_mode``, but older releases do not look at HDF5 files in it; so files are searched here first.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mltoolkit.errors import UnsupportedModelError


def refuse_code(config: Any, path: Path) -> None:
    """Search a model's configuration for functions that are stored as code.

    Raises:
        UnsupportedModelError: there is one.
    """
    if _has_code(config):
        raise code_refusal(path)


def code_refusal(path: Path) -> UnsupportedModelError:
    """The error for a file with code."""
    return UnsupportedModelError(
        "the file contains Python code (a Lambda layer), which is not run",
        where=str(path),
        fix="If you trust it, load it with keras.models.load_model(path, safe_mode=False) and give the model",
    )


def _has_code(config: Any) -> bool:
    if isinstance(config, list):
        return any(_has_code(item) for item in config)
    if not isinstance(config, dict):
        return False
    inner = config.get("config")
    if config.get("class_name") == "__lambda__":
        return True
    # Keras 2 stores [code, defaults, closure].
    if config.get("class_name") == "Lambda" and isinstance(inner, dict):
        functions = [inner.get(name) for name in ("function", "mask", "output_shape")]
        kinds = [inner.get(f"{name}_type") for name in ("function", "mask", "output_shape")]
        if "lambda" in kinds or any(_is_marshalled(function) for function in functions):
            return True
    return any(_has_code(value) for value in config.values())


def _is_marshalled(function: Any) -> bool:
    return isinstance(function, list) and len(function) == 3 and isinstance(function[0], str)
