"""Where a session's weights are: in the model's weight file, in a temporary one, or in memory."""

from __future__ import annotations

import shutil
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest

from mltoolkit.formats.features import Interface
from mltoolkit.formats.mil_types import ElementType
from mltoolkit.formats.weight_blob import WeightFolder
from mltoolkit.graph.builder import GraphBuilder
from mltoolkit.graph.model_graph import ModelGraph
from mltoolkit.runtime import session_weights
from mltoolkit.runtime.partition import GraphRunner

FLOAT32 = ElementType("float32", 32, "float")
SIZE = 256
X = np.linspace(-1, 1, SIZE, dtype=np.float32).reshape(1, SIZE)
WEIGHTS = np.random.default_rng(0).standard_normal((SIZE, SIZE), dtype=np.float32)


def write_weights(path: Path, weights: np.ndarray = WEIGHTS) -> None:
    """A weight file of one record at offset 64."""
    header = struct.pack("<II56x", 1, 2)
    metadata = struct.pack("<IIQQQ32x", 0xDEADBEEF, 2, weights.nbytes, 128, 0)
    path.write_bytes(header + metadata + weights.tobytes())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "weights"
    path.mkdir()
    write_weights(path / "weight.bin")
    return path


def read(files: WeightFolder) -> np.ndarray:
    return files.read("@model_path/weights/weight.bin", 64, FLOAT32, SIZE * SIZE).reshape(SIZE, SIZE)


@pytest.fixture
def locations(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Where the models that sessions are made of say that their large constants are."""
    seen: list[str] = []
    make_session = ort.InferenceSession

    def recording(model: bytes, *arguments: Any, **options: Any) -> ort.InferenceSession:
        for tensor in onnx.load_from_string(model).graph.initializer:
            seen.extend(entry.value for entry in tensor.external_data if entry.key == "location")
        return make_session(model, *arguments, **options)

    monkeypatch.setattr(ort, "InferenceSession", recording)
    yield seen


def made(builder: GraphBuilder, array: np.ndarray, name: str) -> ir.Value:
    """A constant whose numbers are made when they are asked for."""
    return builder.constant_on_demand(lambda: array.copy(), array.dtype, array.shape, name)


def runner(*weights: np.ndarray, files: WeightFolder | None = None, on_demand: bool = False) -> GraphRunner:
    """y = x + all weights."""
    builder = GraphBuilder("test")
    y = builder.input("x", np.float32, (1, SIZE))
    for index, array in enumerate(weights):
        name = f"weights{index}"
        y = builder.op("Add", y, made(builder, array, name) if on_demand else builder.constant(array, name))
    y.name = "y"
    return GraphRunner(ModelGraph(builder.finish([y]), Interface((), ())), threads=1, files=files)


def check(session: GraphRunner, *weights: np.ndarray) -> None:
    (result,) = session.run({"x": X}).values()
    expected = X
    for array in weights:
        expected = expected + array
    np.testing.assert_array_equal(result, expected)


def test_a_view_of_a_weight_file_stays_in_it(folder: Path, locations: list[str]) -> None:
    files = WeightFolder(folder)
    session = runner(read(files), 2 * WEIGHTS, files=files)
    assert locations == [str((folder / "weight.bin").resolve().relative_to("/")), "memory"]
    check(session, WEIGHTS, 2 * WEIGHTS)


def test_a_link_to_the_package_is_followed(folder: Path, tmp_path: Path, locations: list[str]) -> None:
    link = tmp_path / "a link"
    link.symlink_to(folder)
    files = WeightFolder(link)
    check(runner(read(files), files=files), WEIGHTS)
    assert locations == [str((folder / "weight.bin").resolve().relative_to("/"))]


def test_the_file_may_go_away_while_the_session_lives(folder: Path) -> None:
    files = WeightFolder(folder)
    session = runner(read(files), files=files)
    shutil.rmtree(folder)
    check(session, WEIGHTS)


@pytest.mark.parametrize("change", ["removed", "replaced", "rewritten"])
def test_another_file_under_that_name_is_not_taken(folder: Path, locations: list[str], change: str) -> None:
    files = WeightFolder(folder)
    view = read(files)
    expected = np.array(view)
    file = folder / "weight.bin"
    if change == "rewritten":
        with file.open("r+b") as opened:
            opened.seek(128)
            opened.write(np.float32(7).tobytes())
        expected[0, 0] = 7  # the mapping sees it
    else:
        file.unlink()
    if change == "replaced":
        write_weights(file, WEIGHTS + 1)
    check(runner(view, files=files), expected)
    assert locations == ["memory"]


def test_only_whole_views_of_the_file_lie_in_it(folder: Path) -> None:
    files = WeightFolder(folder)
    view = read(files)
    path = (folder / "weight.bin").resolve()
    assert files.slice_of(view) == session_weights.FileSlice(path, 128)
    assert files.slice_of(view[3]) == session_weights.FileSlice(path, 128 + 3 * SIZE * 4)
    assert files.slice_of(view.T) is files.slice_of(view[:, 3]) is files.slice_of(np.array(view)) is None
    assert WeightFolder().slice_of(view) is None


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Temporary files are made for as much as one weight, in the folder that is returned."""
    monkeypatch.setattr(session_weights, "_FILE_BYTES", WEIGHTS.nbytes)
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_many_weights_go_through_a_file_that_is_gone_afterwards(small_files: Path, locations: list[str]) -> None:
    odd = np.float32([[1, 2, 3]] * 100).reshape(-1)[:SIZE]  # 1,024 bytes, then one of another type
    whole = np.arange(SIZE, dtype=np.int64)
    builder = GraphBuilder("test")
    x = builder.input("x", np.float32, (1, SIZE))
    y = builder.op("Add", x, made(builder, odd, "odd"))
    y = builder.op("Add", y, made(builder, WEIGHTS, "weights"))
    y = builder.op("Gather", y, made(builder, whole[::-1].copy(), "order"), attributes={"axis": 1}, name="y")
    session = GraphRunner(ModelGraph(builder.finish([y]), Interface((), ())), threads=1)
    assert len(set(locations)) == 1 and Path("/", locations[0]).parent == small_files.resolve()
    assert list(small_files.iterdir()) == []
    np.testing.assert_array_equal(session.run({"x": X})["y"], (X + odd + WEIGHTS)[:, ::-1])


def test_few_weights_are_handed_over_in_memory(small_files: Path, locations: list[str]) -> None:
    check(runner(WEIGHTS[:1], on_demand=True), WEIGHTS[:1])
    assert locations == ["memory"]


def test_what_is_in_memory_anyway_is_handed_over_there(small_files: Path, locations: list[str]) -> None:
    check(runner(WEIGHTS, 2 * WEIGHTS), WEIGHTS, 2 * WEIGHTS)
    assert locations == ["memory"] * 2


def full(*_: Any, **__: Any) -> Any:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("fault", ["no folder", "full disk"])
def test_a_disk_that_takes_nothing_is_no_fault(
    small_files: Path, locations: list[str], fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fault == "no folder":
        monkeypatch.setattr(tempfile, "tempdir", str(small_files / "nothing"))
    else:
        make = tempfile.NamedTemporaryFile

        def make_full(**options: Any) -> Any:
            file = make(**options)
            monkeypatch.setattr(file, "flush", full)
            return file

        monkeypatch.setattr(tempfile, "NamedTemporaryFile", make_full)
    check(runner(WEIGHTS, 2 * WEIGHTS, on_demand=True), WEIGHTS, 2 * WEIGHTS)
    assert locations == ["memory"] * 2
    assert list(small_files.iterdir()) == []


def test_a_session_that_fails_leaves_no_file(small_files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mltoolkit.errors import UnsupportedModelError

    def refuse(*_: Any, **__: Any) -> Any:
        assert len(list(small_files.iterdir())) == 1
        raise RuntimeError("no")

    monkeypatch.setattr(ort, "InferenceSession", refuse)
    with pytest.raises(UnsupportedModelError, match="refuses the model: no"):
        runner(WEIGHTS, on_demand=True)
    assert list(small_files.iterdir()) == []
