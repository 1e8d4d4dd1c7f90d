"""Packages with weights: laid out as coremltools lays them out, replaced in one step, weights copied as they are."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mil_packages import adding_program
from test_model_file_writing import Interrupted, interrupt_at, names, raise_interrupted

from mltoolkit.errors import ArgumentError, InvalidModelError, ModelFileError
from mltoolkit.formats import atomic_file, folder_swap, package_writing
from mltoolkit.formats.model_file import read_spec
from mltoolkit.formats.model_writing import write_spec
from mltoolkit.formats.package import open_package
from mltoolkit.formats.protobuf import new_model
from mltoolkit.formats.weight_blob import WeightFolder


@pytest.fixture
def program(tmp_path: Path) -> tuple[Any, WeightFolder]:
    spec, _ = adding_program(tmp_path / "weights")
    return spec, WeightFolder(tmp_path / "weights")


def content(package: Path) -> dict[str, bytes]:
    return {str(path.relative_to(package)): path.read_bytes() for path in package.rglob("*") if path.is_file()}


def test_the_layout_is_that_of_coremltools(tmp_path: Path, program: tuple[Any, WeightFolder]) -> None:
    from coremltools.models.utils import save_spec

    spec, weights = program
    save_spec(spec, str(tmp_path / "theirs.mlpackage"), weights_dir=str(weights.folder))
    write_spec(spec, tmp_path / "ours.mlpackage", weights=weights)
    ours, theirs = content(tmp_path / "ours.mlpackage"), content(tmp_path / "theirs.mlpackage")
    manifests = [json.loads(package.pop("Manifest.json")) for package in (ours, theirs)]
    assert sorted(ours) == sorted(theirs)
    weight = "Data/com.apple.CoreML/weights/weight.bin"
    assert ours[weight] == theirs[weight]
    assert read_spec(tmp_path / "ours.mlpackage") == read_spec(tmp_path / "theirs.mlpackage") == spec
    # Identifiers are arbitrary; everything else is the same.
    entries = [sorted(manifest["itemInfoEntries"].values(), key=lambda entry: entry["name"]) for manifest in manifests]
    assert entries[0] == entries[1]
    for manifest in manifests:
        assert manifest["itemInfoEntries"][manifest["rootModelIdentifier"]]["name"] == "model.mlmodel"
        assert manifest["fileFormatVersion"] == "1.0.0"


def test_coremltools_reads_it(tmp_path: Path, program: tuple[Any, WeightFolder]) -> None:
    from coremltools.models import MLModel

    spec, weights = program
    write_spec(spec, tmp_path / "m.mlpackage", weights=weights)
    model = MLModel(str(tmp_path / "m.mlpackage"), skip_model_load=True)
    assert model.get_spec() == spec
    assert (Path(model.weights_dir) / "weight.bin").read_bytes() == (tmp_path / "weights" / "weight.bin").read_bytes()


def test_equal_models_give_equal_packages(tmp_path: Path, program: tuple[Any, WeightFolder]) -> None:
    for name in ("a", "b"):
        write_spec(program[0], tmp_path / f"{name}.mlpackage", weights=program[1])
    assert content(tmp_path / "a.mlpackage") == content(tmp_path / "b.mlpackage")


def test_only_the_weights_that_the_program_reads_are_written(tmp_path: Path, program: tuple[Any, WeightFolder]) -> None:
    adding_program(tmp_path / "weights", file="another.bin")
    write_spec(program[0], tmp_path / "m.mlpackage", weights=WeightFolder(tmp_path / "weights"))
    weights = open_package(tmp_path / "m.mlpackage").weights
    assert weights is not None and names(weights) == ["weight.bin"]


@pytest.mark.parametrize("suffix", [".mlmodel", "", ".bin"])
def test_programs_are_packages(tmp_path: Path, program: tuple[Any, WeightFolder], suffix: str) -> None:
    with pytest.raises(ArgumentError, match=r"an ML Program is saved as \.mlpackage.*'m\.mlpackage'"):
        write_spec(program[0], tmp_path / f"m{suffix}", weights=program[1])
    assert names(tmp_path) == ["weights"]


def test_programs_without_their_weights_are_not_written(tmp_path: Path, program: tuple[Any, WeightFolder]) -> None:
    pipeline = new_model()
    pipeline.pipeline.models.add().CopyFrom(program[0])
    for spec in (program[0], pipeline):
        with pytest.raises(InvalidModelError, match="no folder of weights was given"):
            write_spec(spec, tmp_path / "m.mlpackage")
    (tmp_path / "weights" / "weight.bin").unlink()
    with pytest.raises(InvalidModelError, match=r"the weight file 'weight\.bin' is missing"):
        write_spec(program[0], tmp_path / "m.mlpackage", weights=WeightFolder(tmp_path / "weights"))
    assert names(tmp_path) == ["weights"]


def test_a_package_may_replace_the_one_its_weights_come_from(tmp_path: Path, program: tuple[Any, WeightFolder]) -> None:
    path = tmp_path / "m.mlpackage"
    write_spec(*program[:1], path, weights=program[1])
    before = content(path)
    mapped = WeightFolder(open_package(path).weights)
    for _ in range(2):  # the second time, the mapped file has no name any more
        write_spec(program[0], path, weights=mapped)
        assert content(path) == before
    assert names(tmp_path) == ["m.mlpackage", "weights"]


def test_a_large_weight_file_is_copied_in_pieces(tmp_path: Path) -> None:
    spec, _ = adding_program(tmp_path / "weights", size=10_000_000)
    weights = WeightFolder(tmp_path / "weights")
    tracemalloc.start()
    write_spec(spec, tmp_path / "m.mlpackage", weights=weights)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1e6, f"{peak / 1e6:.1f} MB of Python's memory for a file of 40 MB"
    copied = tmp_path / "m.mlpackage" / "Data" / "com.apple.CoreML" / "weights" / "weight.bin"
    assert copied.read_bytes() == (tmp_path / "weights" / "weight.bin").read_bytes()


@pytest.fixture(params=["in one step", "in two steps"])
def way_of_swapping(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "in two steps":
        monkeypatch.setattr(folder_swap, "_exchange", lambda one, other: False)
    return str(request.param)


def test_an_interruption_at_any_line_leaves_old_or_new_and_no_litter(
    tmp_path: Path, way_of_swapping: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "test_model_file_writing.WRITERS", {module.__file__ for module in (atomic_file, folder_swap, package_writing)}
    )
    # Hundreds of writes need not reach the disk here.
    monkeypatch.setattr(atomic_file.os, "fsync", lambda descriptor: None)
    states = []
    for name, seed in (("old", 1), ("new", 2)):
        spec, _ = adding_program(tmp_path / name, seed=seed, size=40 + seed)
        states.append((spec, WeightFolder(tmp_path / name)))
        write_spec(spec, tmp_path / f"{name}.mlpackage", weights=states[-1][1])
    old, new = content(tmp_path / "old.mlpackage"), content(tmp_path / "new.mlpackage")
    path, outcomes = tmp_path / "target" / "m.mlpackage", []
    path.parent.mkdir()
    for line in range(1, 300):
        write_spec(states[0][0], path, weights=states[0][1])
        previous = sys.gettrace()
        sys.settrace(interrupt_at(line, raise_interrupted))
        try:
            write_spec(states[1][0], path, weights=states[1][1])
        except Interrupted:
            outcomes.append("interrupted")
        else:
            outcomes.append("complete")
        finally:
            sys.settrace(previous)
        assert content(path) in (old, new), f"line {line}"
        # Interrupted while it cleans up, it may leave a temporary folder; never anything under another name.
        litter = [name for name in names(path.parent) if name != path.name]
        assert all(Path(name).match(atomic_file.TEMPORARY_NAMES) for name in litter), f"line {line}: {litter}"
        for name in litter:
            package_writing.shutil.rmtree(path.parent / name)
        if outcomes[-1] == "complete":
            break
    assert outcomes[-1] == "complete" and len(outcomes) > 30, outcomes


CRASH = """
import os, sys
import test_model_file_writing
from mil_packages import adding_program
from mltoolkit.formats import atomic_file, folder_swap, package_writing
from mltoolkit.formats.model_file import read_spec
from mltoolkit.formats.model_writing import write_spec
from mltoolkit.formats.package import open_package
from mltoolkit.formats.weight_blob import WeightFolder
from pathlib import Path
atomic_file.os.fsync = lambda descriptor: None
test_model_file_writing.WRITERS = {module.__file__ for module in (atomic_file, folder_swap, package_writing)}
folder = Path(sys.argv[1])
path, models = folder / "m.mlpackage", []
for seed in (0, 1):
    spec, weight = adding_program(folder / str(seed), seed=seed)
    models.append((spec, WeightFolder(folder / str(seed)), (folder / str(seed) / "weight.bin").read_bytes()))
for line in range(1, 300):
    write_spec(models[0][0], path, weights=models[0][1])
    child = os.fork()
    if not child:
        sys.settrace(test_model_file_writing.interrupt_at(line, lambda: os._exit(9)))
        write_spec(models[1][0], path, weights=models[1][1])
        os._exit(0)
    crashed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    found = read_spec(path), (open_package(path).weights / "weight.bin").read_bytes()
    states = [name for name, (spec, _, data) in zip(("old", "new"), models) if found == (spec, data)]
    print(crashed, *states)
    if not crashed:
        break
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a system that forks and exchanges names in one step")
def test_a_crash_at_any_line_leaves_old_or_new(tmp_path: Path) -> None:
    """Model and weights change together: never the model of one and the weights of the other."""
    folders = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]
    command = [sys.executable, "-W", "ignore", "-c", f"import sys\nsys.path[:0] = {folders}\n{CRASH}", str(tmp_path)]
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout
    lines = [line.split() for line in output.splitlines()]
    assert all(len(line) == 2 for line in lines), output
    states = [state for _, state in lines]
    assert lines[-1] == ["False", "new"] and len(states) > 30, output
    assert states == sorted(states, reverse=True) and states[0] == "old", output


def test_a_folder_that_cannot_be_renamed_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(one: Path, other: Path) -> bool:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES), str(other))

    spec, _ = adding_program(tmp_path / "weights")
    path = tmp_path / "m.mlpackage"
    write_spec(spec, path, weights=WeightFolder(tmp_path / "weights"))
    before = content(path)
    monkeypatch.setattr(folder_swap, "_exchange", fail)
    with pytest.raises(ModelFileError, match="cannot be written: Permission denied"):
        write_spec(adding_program(tmp_path / "w2", seed=1)[0], path, weights=WeightFolder(tmp_path / "w2"))
    assert content(path) == before
    assert names(tmp_path) == ["m.mlpackage", "w2", "weights"]


@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="systems that exchange names")
def test_names_are_exchanged_in_one_step(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    if not folder_swap._exchange(tmp_path / "a", tmp_path / "b"):
        pytest.skip("this file system does not exchange names")
    assert names(tmp_path / "a") == ["b"] and names(tmp_path / "b") == ["a"]
    with pytest.raises(FileNotFoundError):
        folder_swap._exchange(tmp_path / "a", tmp_path / "nowhere")


def test_a_network_may_be_a_package_and_replace_a_program(tmp_path: Path, program: tuple[Any, WeightFolder]) -> None:
    from small_models import image_classifier

    path = tmp_path / "m.mlpackage"
    write_spec(program[0], path, weights=program[1])
    write_spec(image_classifier(), path)
    assert read_spec(path) == image_classifier()
    assert open_package(path).weights is None
    assert sorted(content(path)) == [str(Path("Data/com.apple.CoreML/model.mlmodel")), "Manifest.json"]


def test_pieces_are_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mltoolkit.formats.weight_blob._PART_BYTES", 4096)
    _, weight = adding_program(tmp_path / "weights", size=5000)
    file = WeightFolder(tmp_path / "weights").file("@model_path/weights/weight.bin")
    pieces = [bytes(part) for part in file.parts()]
    assert b"".join(pieces) == (tmp_path / "weights" / "weight.bin").read_bytes()
    assert {len(piece) for piece in pieces[:-1]} == {4096}
    assert np.frombuffer(b"".join(pieces)[128 : 128 + weight.nbytes], np.float32).tolist() == weight.tolist()
