"""What is different has another fingerprint; what is the same has the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import mltoolkit as mlt
from mltoolkit.comparison.sources import Sample
from mltoolkit.digits import digit_model_path
from mltoolkit.errors import ArgumentError
from mltoolkit.sweeps import fingerprint
from mltoolkit.sweeps.fingerprint import model_digest, samples_digest


def digest(*values: Any) -> str:
    return samples_digest(Sample(place, f"input {place}", value) for place, value in enumerate(values))


def test_values_that_differ_have_other_digests() -> None:
    ones = np.ones((2, 2), np.float32)
    values: list[tuple[Any, ...]] = [
        (ones,),
        (ones, ones),
        (ones.reshape(4),),
        (ones.astype(np.float64),),
        ({"x": ones},),
        ({"y": ones},),
        ({"x": ones, "y": ones},),
        ({"x": ones}, {"y": ones}),
        ("ab", "c"),
        ("a", "bc"),
        (1,),
        (1.0,),
        (None,),
        (Image.new("L", (2, 2)),),
        (Image.new("RGB", (2, 2)),),
    ]
    digests = [digest(*value) for value in values]
    assert len(set(digests)) == len(values)
    assert digests == [digest(*value) for value in values]


def test_files_go_by_what_they_hold(tmp_path: Path) -> None:
    for name, data in (("a.png", b"1"), ("b.png", b"1"), ("c.png", b"2")):
        (tmp_path / name).write_bytes(data)
    assert digest(tmp_path / "a.png") == digest(tmp_path / "b.png") == digest(str(tmp_path / "a.png"))
    assert digest(tmp_path / "a.png") != digest(tmp_path / "c.png")
    assert digest(tmp_path / "gone.png") != digest(tmp_path / "lost.png")


def test_objects_without_a_value_are_refused() -> None:
    with pytest.raises(ArgumentError, match="cannot be told from another"):
        digest(object())


def test_models_go_by_their_weights(tmp_path: Path) -> None:
    model = mlt.load(digit_model_path())
    assert model_digest(model) == model_digest(mlt.load(digit_model_path()))
    package = mlt.convert(model, format="mlpackage", verify=False)
    package.save(tmp_path / "a.mlpackage")
    loaded = mlt.load(tmp_path / "a.mlpackage")
    assert model_digest(package) == model_digest(loaded)
    weights = next((tmp_path / "a.mlpackage").rglob("weight.bin"))
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    (tmp_path / "b.mlpackage").mkdir()
    for file in (tmp_path / "a.mlpackage").rglob("*"):
        target = tmp_path / "b.mlpackage" / file.relative_to(tmp_path / "a.mlpackage")
        if file.is_dir():
            target.mkdir(exist_ok=True)
    for file in (tmp_path / "a.mlpackage").rglob("*"):
        if file.is_file():
            target = tmp_path / "b.mlpackage" / file.relative_to(tmp_path / "a.mlpackage")
            target.write_bytes(bytes(data) if file == weights else file.read_bytes())
    assert model_digest(mlt.load(tmp_path / "b.mlpackage")) != model_digest(loaded)


def test_code_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = fingerprint.code_digest()
    fingerprint.code_digest.cache_clear()
    assert fingerprint.code_digest() == first
    files = [tmp_path / "quantization" / "quantize.py", tmp_path / "sweeps" / "recipes.py"]
    for file in files:
        file.parent.mkdir()
        file.write_text("a = 1")
    monkeypatch.setattr(mlt, "__file__", str(tmp_path / "__init__.py"))
    found = set()
    for file, code in [(files[0], "a = 1"), (files[0], "a = 2"), (files[1], "a = 2")]:
        file.write_text(code)
        fingerprint.code_digest.cache_clear()
        found.add(fingerprint.code_digest())
    fingerprint.code_digest.cache_clear()
    assert len(found) == 3 and first not in found
