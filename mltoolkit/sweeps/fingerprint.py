"""What made a row of a sweep, as one number: a finished row is kept as long as nothing of it changes."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mltoolkit.comparison.sources import Sample
from mltoolkit.errors import ArgumentError
from mltoolkit.formats.ml_program import weight_references
from mltoolkit.formats.networks import iter_models

if TYPE_CHECKING:
    from hashlib import _Hash

    from mltoolkit.model import Model
    from mltoolkit.sweeps.recipes import Recipe

# Rows of another layout are measured again.
_LAYOUT = 1
# The rooms whose code decides about figures and tiles.
_ROOMS = (
    *("sweeps", "quantization", "calibration", "comparison", "runtime"),
    *("converters", "graph", "custom_layers", "formats"),
)
_PART = 1 << 20


def row_key(recipe: Recipe, model: str, samples: str, calibration: str, crop: str) -> str:
    """The key of a row: all that decides about its figures, hashed.

    Args:
        recipe: how the smaller model is made.
        model: :func:`model_digest` of the original.
        samples: :func:`samples_digest` of what they are compared on.
        calibration: the same of the calibration data; "" without.
        crop: how pictures are fitted.
    """
    parts: dict[str, Any] = {
        "layout": _LAYOUT,
        "mltoolkit": code_digest(),
        "model": model,
        "samples": samples,
        "crop": crop,
        "mode": recipe.mode,
        "nbits": recipe.nbits,
        "options": [list(option) for option in recipe.options],
    }
    if recipe.calibrated:
        parts["calibration"] = calibration
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@functools.cache
def code_digest() -> str:
    """A hash of mltoolkit's version and of the code that quantizes, runs and compares."""
    import mltoolkit

    digest = hashlib.sha256(mltoolkit.__version__.encode())
    home = Path(mltoolkit.__file__).parent
    for room in _ROOMS:
        # In a checkout some rooms are links.
        for folder, subfolders, names in os.walk(home / room, followlinks=True):
            subfolders.sort()
            for name in sorted(names):
                if name.endswith(".py"):
                    digest.update(f"{room} {Path(folder, name).relative_to(home).as_posix()}:".encode())
                    _add_file(digest, Path(folder, name))
    return digest.hexdigest()


def model_digest(model: Model) -> str:
    """A hash of a model's file: its description, layers and weights."""
    digest = hashlib.sha256(model.spec.SerializeToString(deterministic=True))
    digest.update((model.function_name or "").encode())
    if any(weight_references(spec) for _, spec in iter_models(model.spec)):
        with tempfile.TemporaryDirectory(prefix="mltoolkit-sweep-") as folder:
            package = Path(folder, "model.mlpackage")
            model.save(package)
            for file in sorted(package.rglob("*.bin")):
                _add_file(digest, file)
    return digest.hexdigest()


def samples_digest(samples: Iterable[Sample]) -> str:
    """A hash of what samples hold, whatever their files are called.

    Raises:
        ArgumentError: a value of theirs is of a kind that cannot be hashed.
    """
    digest = hashlib.sha256()
    for sample in samples:
        _add(digest, sample.value, sample.name)
    return digest.hexdigest()


def _add(digest: _Hash, value: Any, where: str) -> None:
    """Add a value, with its kind and length first, so that no two sequences of values look the same."""
    from PIL import Image

    if isinstance(value, Mapping):
        digest.update(f"dictionary {len(value)}:".encode())
        for name in sorted(value):
            _add(digest, name, where)
            _add(digest, value[name], where)
    elif isinstance(value, os.PathLike) or (isinstance(value, str) and Path(value).is_file()):
        _add_file(digest, Path(value))
    elif isinstance(value, str | bytes):
        data = value.encode(errors="surrogatepass") if isinstance(value, str) else value
        digest.update(f"text {len(data)}:".encode() + data)
    elif isinstance(value, Image.Image):
        digest.update(f"picture {value.mode} {value.size}:".encode() + value.tobytes())
    elif value is None:
        digest.update(b"none:")
    else:
        array = np.asarray(getattr(value, "array", value))
        if array.dtype.hasobject:
            raise ArgumentError(
                f"a {type(value).__name__} in the sample data cannot be told from another",
                where=where,
                fix="Give paths, PIL images, NumPy arrays or numbers",
            )
        digest.update(f"array {array.dtype.str} {array.shape}:".encode() + array.tobytes())


def _add_file(digest: _Hash, path: Path) -> None:
    try:
        with path.open("rb") as file:
            digest.update(f"file {path.stat().st_size}:".encode())
            while part := file.read(_PART):
                digest.update(part)
    except OSError:
        # The comparison says that it cannot be read.
        digest.update(f"unreadable {path.name}:".encode())
