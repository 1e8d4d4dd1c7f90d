"""TensorFlow forms are handed to coremltools; without TensorFlow the error says what to install."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

import mltoolkit as mlt
from mltoolkit.errors import ArgumentError, MissingExtraError


@pytest.fixture
def saved_model(tmp_path: Path) -> Path:
    folder = tmp_path / "saved"
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(b"")
    return folder


@pytest.mark.skipif(find_spec("tensorflow") is not None, reason="TensorFlow is installed")
def test_without_tensorflow(saved_model: Path) -> None:
    with pytest.raises(MissingExtraError, match="pip install tensorflow"):
        mlt.convert(saved_model)


def test_what_coremltools_does_not_know_is_refused(saved_model: Path) -> None:
    with pytest.raises(ArgumentError, match="neither custom conversion functions nor names"):
        mlt.convert(saved_model, names={"a": "b"})
    with pytest.raises(ArgumentError, match="tf2onnx"):
        mlt.convert(saved_model, custom_conversion_functions={"Conv2D": lambda layer: None})
