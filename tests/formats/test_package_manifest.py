"""Manifests of packages: nothing outside a package is ever read through one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from small_models import image_classifier, vector_regressor

from mltoolkit.errors import ModelFileError
from mltoolkit.formats.model_file import read_spec
from mltoolkit.formats.model_writing import write_spec
from mltoolkit.formats.package import open_package


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "M.mlpackage"
    path.parent.mkdir()
    write_spec(image_classifier(), path)
    write_spec(vector_regressor(), tmp_path / "secret.mlmodel")
    write_spec(vector_regressor(), tmp_path / "in" / "secret.mlmodel")
    return path


def change_manifest(package: Path, change: Any) -> None:
    manifest = json.loads((package / "Manifest.json").read_text())
    change(manifest)
    (package / "Manifest.json").write_text(json.dumps(manifest))


def root_entry(manifest: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = manifest["itemInfoEntries"][manifest["rootModelIdentifier"]]
    return entry


def set_path(package: Path, path: Any) -> None:
    change_manifest(package, lambda manifest: root_entry(manifest).update(path=path))


def test_parts_of_a_package(package: Path) -> None:
    found = open_package(package)
    assert found.model == package / "Data" / "com.apple.CoreML" / "model.mlmodel"
    assert found.weights is None and found.items == 1


def test_the_weights_of_an_ml_program_are_found(shared_data: Path) -> None:
    found = open_package(shared_data / "coreml" / "basic_pitch_nmp.mlpackage")
    assert found.weights is not None and (found.weights / "weight.bin").is_file()


def test_the_root_model_may_have_any_name(package: Path) -> None:
    model = open_package(package).model
    model.rename(model.with_name("other.mlmodel"))
    set_path(package, "com.apple.CoreML/other.mlmodel")
    assert read_spec(package) == image_classifier()


@pytest.mark.parametrize(
    "path",
    [
        "../../secret.mlmodel",
        "../../../secret.mlmodel",
        "com.apple.CoreML/../../../../secret.mlmodel",
        "..\\..\\secret.mlmodel",
        "C:\\secret.mlmodel",
        "\\\\server\\secret.mlmodel",
        "ABSOLUTE",
    ],
)
def test_paths_out_of_the_package_are_refused(package: Path, tmp_path: Path, path: str) -> None:
    set_path(package, str(tmp_path / "secret.mlmodel") if path == "ABSOLUTE" else path)
    with pytest.raises(ModelFileError, match="points out of the package"):
        read_spec(package)


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs links")
@pytest.mark.parametrize("linked", ["model.mlmodel", "com.apple.CoreML", "Data"])
def test_links_out_of_the_package_are_refused(package: Path, tmp_path: Path, linked: str) -> None:
    model = open_package(package).model
    outside = tmp_path / "outside" / "com.apple.CoreML"
    outside.mkdir(parents=True)
    write_spec(vector_regressor(), outside / "model.mlmodel")
    target = {"model.mlmodel": outside / "model.mlmodel", "com.apple.CoreML": outside, "Data": outside.parent}
    path = {"model.mlmodel": model, "com.apple.CoreML": model.parent, "Data": model.parent.parent}[linked]
    path.rename(tmp_path / "moved")
    path.symlink_to(target[linked])
    with pytest.raises(ModelFileError, match="link out of the package"):
        read_spec(package)


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs links")
def test_a_manifest_outside_the_package_is_not_read(package: Path, tmp_path: Path) -> None:
    manifest = package / "Manifest.json"
    manifest.rename(tmp_path / "Manifest.json")
    manifest.symlink_to(tmp_path / "Manifest.json")
    with pytest.raises(ModelFileError, match="the package's manifest is a link out of the package"):
        read_spec(package)


def test_a_path_that_no_file_can_have_is_refused(package: Path) -> None:
    set_path(package, "com.apple.CoreML/\ud800")
    with pytest.raises(ModelFileError, match="cannot be followed"):
        read_spec(package)


def test_links_inside_the_package_and_to_it_are_followed(package: Path, tmp_path: Path) -> None:
    model = open_package(package).model
    model.rename(model.with_name("real.mlmodel"))
    model.symlink_to("real.mlmodel")
    (tmp_path / "link.mlpackage").symlink_to(package)
    assert read_spec(package) == read_spec(tmp_path / "link.mlpackage") == image_classifier()


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs links")
def test_loops_of_links_end(package: Path) -> None:
    model = open_package(package).model
    model.unlink()
    model.symlink_to(model.name)
    with pytest.raises(ModelFileError, match=r"cannot be followed|is missing"):
        read_spec(package)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "manifest is damaged"),
        ("{", "manifest is damaged"),
        ("[]", "no JSON object"),
        ("\ud800", "manifest is damaged"),
        ("[" * 100_000, "manifest is damaged"),
        ("{}" + " " * (1 << 21), "too large"),
        ("{}", "names no root model"),
        ('{"itemInfoEntries": [], "rootModelIdentifier": "a"}', "names no root model"),
        ('{"itemInfoEntries": {}, "rootModelIdentifier": "a"}', "no entry for its root model 'a'"),
        ('{"itemInfoEntries": {"a": 3}, "rootModelIdentifier": "a"}', "no entry for its root model"),
        ('{"itemInfoEntries": {"a": {}}, "rootModelIdentifier": "a"}', "entry without a path"),
        ('{"itemInfoEntries": {"a": {"path": 3}}, "rootModelIdentifier": "a"}', "entry without a path"),
        ('{"itemInfoEntries": {"a": {"path": "x\\u0000"}}, "rootModelIdentifier": "a"}', "without a path"),
        ('{"itemInfoEntries": {"a": {"path": "x"}}, "rootModelIdentifier": "a"}', "'Data/x' is missing"),
    ],
)
def test_damaged_manifests(package: Path, text: str, message: str) -> None:
    (package / "Manifest.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ModelFileError, match=message) as caught:
        read_spec(package)
    assert str(package) in str(caught.value)


def test_a_missing_model(package: Path) -> None:
    open_package(package).model.unlink()
    with pytest.raises(ModelFileError, match=r"model\.mlmodel' is missing"):
        read_spec(package)


def test_a_damaged_model_inside_is_named(package: Path) -> None:
    model = open_package(package).model
    model.write_bytes(model.read_bytes()[:-20])
    with pytest.raises(ModelFileError, match="truncated") as caught:
        read_spec(package)
    assert caught.value.where == str(model)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], r"no Manifest\.json"),
        (["notes.txt"], r"no Manifest\.json"),
        (["A.mlmodel", "b.MLMODEL"], r"Give one of the models in it: 'A\.mlmodel', 'b\.MLMODEL'"),
        (["coremldata.bin"], "a compiled model"),
        (["saved_model.pb"], "TensorFlow SavedModel"),
    ],
)
def test_folders_of_other_kinds(tmp_path: Path, files: list[str], message: str) -> None:
    for name in files:
        (tmp_path / name).touch()
    with pytest.raises(ModelFileError, match=message):
        read_spec(tmp_path)


def test_a_compiled_model_is_named_by_its_suffix(tmp_path: Path) -> None:
    (tmp_path / "M.mlmodelc").mkdir()
    with pytest.raises(ModelFileError, match="a compiled model"):
        read_spec(tmp_path / "M.mlmodelc")
