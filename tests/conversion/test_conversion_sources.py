"""What a source is, told without importing any framework."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir
import pytest
from conversion_models import onnx_classifier

import mltoolkit as mlt
from mltoolkit.conversion.sources import recognise_source
from mltoolkit.digits import digit_model_path
from mltoolkit.errors import ArgumentError, ModelFileError


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.keras", "keras"),
        ("a.h5", "keras"),
        ("A.HDF5", "keras"),
        ("a.onnx", "onnx"),
        ("a.mlmodel", "coreml"),
        ("a.pt", "torch"),
        ("a.pt2", "torch"),
        ("a.pb", "tensorflow"),
    ],
)
def test_files_by_suffix(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"x")
    for given in (path, str(path)):
        source = recognise_source(given)
        assert (source.kind, source.value, source.title) == (kind, path, name)


def test_folders(tmp_path: Path) -> None:
    (tmp_path / "m.mlpackage").mkdir()
    assert recognise_source(tmp_path / "m.mlpackage").kind == "coreml"
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"")
    assert recognise_source(tmp_path / "saved").kind == "tensorflow"
    with pytest.raises(ModelFileError, match="the folder holds no model"):
        recognise_source(tmp_path)


def test_objects() -> None:
    keras = pytest.importorskip("keras")
    torch = pytest.importorskip("torch")
    model = mlt.load(digit_model_path())
    proto = onnx_classifier()
    module = torch.nn.Linear(2, 3)
    program = torch.export.export(module, (torch.zeros(1, 2),))
    cases: list[tuple[Any, str]] = [
        (model, "coreml"),
        (model.spec, "coreml"),
        (proto, "onnx"),
        (ir.from_proto(proto), "onnx"),
        (keras.Sequential([keras.layers.Dense(1)]), "keras"),
        (module, "torch"),
        (program, "torch"),
        (torch.jit.trace(module, torch.zeros(1, 2)), "torch"),
    ]
    assert [recognise_source(value).kind for value, _ in cases] == [kind for _, kind in cases]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (3, "a int cannot be converted"),
        (None, "a NoneType cannot be converted"),
        (b"bytes", "a bytes cannot be converted"),
        (onnx.ModelProto, "ModelProto is a class, not a model"),
        ("", "is not a path"),
    ],
)
def test_what_is_no_model_is_told_the_forms(source: object, message: str) -> None:
    with pytest.raises(ArgumentError, match=message) as raised:
        recognise_source(source)
    for form in (".keras", ".onnx", ".mlmodel", "nn.Module", "SavedModel"):
        assert form in str(raised.value)


def test_missing_files_and_unknown_suffixes(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="there is no file"):
        recognise_source(tmp_path / "none.onnx")
    path = tmp_path / "model.bin"
    onnx.save(onnx_classifier(), path)
    with pytest.raises(ModelFileError, match=r"suffix '.bin' says nothing .* content is that of an ONNX model"):
        recognise_source(path)
    (tmp_path / "model").write_text("hello")
    with pytest.raises(ModelFileError, match="a name without a suffix"):
        recognise_source(tmp_path / "model")


def test_no_framework_is_imported_to_look_at_a_source() -> None:
    code = (
        "import sys\n"
        "from mltoolkit.conversion.sources import recognise_source\n"
        "try:\n    recognise_source(object())\n"
        "except Exception as error:\n    assert type(error).__name__ == 'ArgumentError', error\n"
        "print([n for n in ('keras', 'torch', 'tensorflow', 'coremltools', 'onnx', 'onnxruntime') if n in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]", found.stdout


def test_a_missing_file_brings_the_names_like_it(tmp_path: Path) -> None:
    (tmp_path / "classifier.onnx").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(ModelFileError, match=r"Did you mean 'classifier\.onnx'\?"):
        recognise_source(tmp_path / "clasifier.onnx")
    with pytest.raises(ModelFileError, match=r"The folder .* does not exist"):
        recognise_source(tmp_path / "nowhere" / "classifier.onnx")
