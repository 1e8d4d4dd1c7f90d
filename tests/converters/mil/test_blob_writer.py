"""Weight files where coremltools has no compiled writer, as on Windows: byte for byte those of Apple's writer."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mltoolkit as mlt
from mltoolkit.converters.mil.blob_writer import BlobWriter
from mltoolkit.digits import digit_images_path, digit_model_path

# The writer's method, and the type and range of what it is given.
METHODS: dict[str, tuple[type[np.generic], int, int]] = {
    "float": (np.float32, -9, 9),
    "fp16": (np.uint16, 0, 1 << 15),
    "int8": (np.int8, -128, 128),
    "uint8": (np.uint8, 0, 256),
    "int16": (np.int16, -(1 << 15), 1 << 15),
    "uint16": (np.uint16, 0, 1 << 16),
    "int32": (np.int32, -(1 << 31), 1 << 31),
    "uint32": (np.uint32, 0, 1 << 32),
    "int4": (np.int8, -8, 8),
    **{f"uint{bits}": (np.uint8, 0, 1 << bits) for bits in (1, 2, 3, 4, 6)},
}


@pytest.fixture(scope="module")
def apple() -> Any:
    with contextlib.redirect_stderr(io.StringIO()):
        return pytest.importorskip("coremltools.libmilstoragepython")._BlobStorageWriter


@pytest.mark.parametrize("counts", [(1,), (64, 7), (3, 65, 200)])
def test_the_file_is_that_of_apple(apple: Any, tmp_path: Path, counts: tuple[int, ...]) -> None:
    generator = np.random.default_rng(0)
    theirs, ours = apple(str(tmp_path / "theirs")), BlobWriter(str(tmp_path / "ours"))
    for method, (kind, low, high) in METHODS.items():
        for count in counts:
            values = generator.integers(low, high, count, dtype=np.int64).astype(kind)
            offsets = [getattr(writer, f"write_{method}_data")(values) for writer in (theirs, ours)]
            assert offsets[0] == offsets[1], (method, count)
    del theirs
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_packages_are_written_without_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, precision: str) -> None:
    with contextlib.redirect_stderr(io.StringIO()):
        from coremltools.converters.mil.backend.mil import load
    small = mlt.quantize_weights(digit_model_path(), 4, "kmeans")
    usual = mlt.convert(small, format="mlpackage", precision=precision)
    monkeypatch.setattr(load, "BlobWriter", None)
    package = mlt.convert(small, format="mlpackage", precision=precision)  # compares with its source
    package.save(tmp_path / "a.mlpackage")
    usual.save(tmp_path / "b.mlpackage")
    assert load.BlobWriter is None
    ours, apples = (next((tmp_path / name).rglob("weight.bin")).read_bytes() for name in ("a.mlpackage", "b.mlpackage"))
    assert ours == apples
    seven = sorted((digit_images_path() / "7").glob("*.png"))[0]
    assert mlt.load(tmp_path / "a.mlpackage").predict({"image": seven})["classLabel"] == "7"
