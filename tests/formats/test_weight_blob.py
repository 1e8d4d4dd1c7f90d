"""Weight files of ML Programs: against Apple's own writer, and against damage."""

from __future__ import annotations

import contextlib
import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mltoolkit.errors import InvalidModelError, MLToolkitError, ModelFileError
from mltoolkit.formats.mil_types import ElementType
from mltoolkit.formats.weight_blob import WeightFile, WeightFolder

FLOAT32 = ElementType("float32", 32, "float")
# The writer's method for each type, and its element type.
WRITERS = {
    "float32": ("float", FLOAT32),
    "float16": ("fp16", ElementType("float16", 16, "float")),
    "int8": ("int8", ElementType("int8", 8, "int")),
    "uint8": ("uint8", ElementType("uint8", 8, "int", signed=False)),
    "int16": ("int16", ElementType("int16", 16, "int")),
    "uint16": ("uint16", ElementType("uint16", 16, "int", signed=False)),
    "int32": ("int32", ElementType("int32", 32, "int")),
    "uint32": ("uint32", ElementType("uint32", 32, "int", signed=False)),
    "int4": ("int4", ElementType("int4", 4, "int")),
    **{
        f"uint{bits}": (f"uint{bits}", ElementType(f"uint{bits}", bits, "int", signed=False))
        for bits in (1, 2, 3, 4, 6)
    },
}


@pytest.fixture(scope="module")
def apple() -> Any:
    """Apple's writer; some wheels (Windows, Linux on ARM) come without it."""
    with contextlib.redirect_stderr(io.StringIO()):
        return pytest.importorskip("coremltools.libmilstoragepython")


def samples(element: ElementType, count: int) -> np.ndarray:
    rng = np.random.default_rng(count)
    if element.kind == "float":
        return rng.normal(size=count).astype(element.dtype)
    low = -(1 << element.bits - 1) if element.signed else 0
    return rng.integers(low, low + (1 << element.bits), count).astype(element.dtype)


def written(apple: Any, path: Path, values: np.ndarray, element: ElementType, method: str) -> int:
    writer = apple._BlobStorageWriter(str(path))
    given: Any = values.view(np.uint16) if method == "fp16" else values
    if element.packed:
        with contextlib.redirect_stderr(io.StringIO()):
            from coremltools.converters.mil.mil import types
        given = values.astype(types.nptype_from_builtin(getattr(types, method)))
    offset = int(getattr(writer, f"write_{method}_data")(given))
    del writer
    return offset


@pytest.mark.parametrize("count", [1, 7, 64, 1001])
@pytest.mark.parametrize("name", WRITERS)
def test_what_apple_writes_is_read(apple: Any, tmp_path: Path, name: str, count: int) -> None:
    method, element = WRITERS[name]
    values = samples(element, count)
    offset = written(apple, tmp_path / "weight.bin", values, element, method)
    found = WeightFile(tmp_path / "weight.bin").read(offset, element, count)
    assert found.dtype == element.dtype
    assert np.array_equal(found, values), (found[:5], values[:5])
    assert not found.flags.writeable


def blob(values: np.ndarray, blob_type: int, **changed: int) -> bytes:
    """A file with one record, its header fields changed as told."""
    data = values.tobytes()
    fields = {"sentinel": 0xDEADBEEF, "type": blob_type, "size": len(data), "start": 128, "unused": 0}
    fields |= changed
    header = struct.pack("<II56x", 1, changed.get("version", 2))
    fields.pop("version", None)
    return header + struct.pack("<IIQQQ32x", *fields.values()) + data


VALUES = np.arange(20, dtype=np.float32)


def test_arrays_are_views_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "weight.bin"
    path.write_bytes(blob(VALUES, 2))
    file = WeightFile(path)
    first, second = file.read(64, FLOAT32, 20), file.read(64, FLOAT32, 20)
    assert np.array_equal(first, VALUES)
    assert np.shares_memory(first, second)
    path.unlink()
    assert first[7] == 7, "the mapped file must outlive its name"


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"sentinel": 1}, "no weight record"),
        ({"type": 1}, "float16"),
        ({"type": 99}, "unknown (99)"),
        ({"size": 1 << 62}, "outside the file"),
        ({"start": 1 << 63}, "outside the file"),
        ({"start": 192}, "outside the file"),
        ({"start": 129}, "outside the file"),
        ({"size": 76}, "take 80"),
        ({"version": 1}, "storage version 1"),
    ],
)
def test_damaged_records_are_refused(tmp_path: Path, changed: dict[str, int], says: str) -> None:
    path = tmp_path / "weight.bin"
    path.write_bytes(blob(VALUES, 2, **changed))
    with pytest.raises(InvalidModelError) as caught:
        WeightFile(path).read(64, FLOAT32, 20)
    assert says in str(caught.value), str(caught.value)


@pytest.mark.parametrize("offset", [-64, 1, 128, 1 << 40, (1 << 64) - 64])
def test_offsets_outside_the_file_are_refused(tmp_path: Path, offset: int) -> None:
    path = tmp_path / "weight.bin"
    path.write_bytes(blob(VALUES, 2))
    with pytest.raises(InvalidModelError):
        WeightFile(path).read(offset, FLOAT32, 20)


def test_huge_counts_are_refused_before_anything_is_allocated(tmp_path: Path) -> None:
    path = tmp_path / "weight.bin"
    path.write_bytes(blob(VALUES, 11))
    with pytest.raises(InvalidModelError, match="take"):
        WeightFile(path).read(64, ElementType("uint4", 4, "int", signed=False), 1 << 60)


def test_mutated_files_give_values_or_our_errors(tmp_path: Path) -> None:
    good = bytearray(blob(VALUES, 2))
    rng = np.random.default_rng(3)
    path = tmp_path / "weight.bin"
    for _ in range(300):
        data = bytearray(good)
        for position in rng.integers(0, 128, 3):
            data[position] = rng.integers(0, 256)
        path.write_bytes(bytes(data[: rng.integers(0, len(data) + 1)]))
        with contextlib.suppress(MLToolkitError):
            assert WeightFile(path).read(64, FLOAT32, 20).shape == (20,)


@pytest.mark.parametrize(
    "reference",
    [
        "/etc/passwd",
        "weight.bin",
        "@model_path/weights/../model.mlmodel",
        "@model_path/weights/..",
        "@model_path/weights/",
        "@model_path/weights/a\\..\\weight.bin",
        "@model_path/other/weight.bin",
    ],
)
def test_references_out_of_the_package_are_refused(tmp_path: Path, reference: str) -> None:
    (tmp_path / "weight.bin").write_bytes(blob(VALUES, 2))
    with pytest.raises(InvalidModelError, match="outside its package"):
        WeightFolder(tmp_path).read(reference, 64, FLOAT32, 20)


def test_links_out_of_the_package_are_not_followed(tmp_path: Path) -> None:
    inside = tmp_path / "weights"
    inside.mkdir()
    (tmp_path / "weight.bin").write_bytes(blob(VALUES, 2))
    (inside / "weight.bin").symlink_to(tmp_path / "weight.bin")
    with pytest.raises(InvalidModelError, match="missing"):
        WeightFolder(inside).read("@model_path/weights/weight.bin", 64, FLOAT32, 20)


def test_a_link_to_itself_is_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "weight.bin").symlink_to(tmp_path / "weight.bin")
    with pytest.raises(InvalidModelError, match="missing"):
        WeightFolder(tmp_path).read("@model_path/weights/weight.bin", 64, FLOAT32, 20)


def test_a_folder_that_the_system_cannot_look_at_is_our_error(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"folder of weights cannot be read: File name too long"):
        WeightFolder(tmp_path / ("x" * 5000))


def test_a_missing_file_is_named_with_the_closest(tmp_path: Path) -> None:
    (tmp_path / "weight.bin").write_bytes(blob(VALUES, 2))
    folder = WeightFolder(tmp_path)
    assert np.array_equal(folder.read("@model_path/weights/weight.bin", 64, FLOAT32, 20), VALUES)
    with pytest.raises(InvalidModelError, match=r"Did you mean 'weight.bin'"):
        folder.read("@model_path/weights/weigth.bin", 64, FLOAT32, 20)
    with pytest.raises(InvalidModelError, match="no folder of weights"):
        WeightFolder().read("@model_path/weights/weight.bin", 64, FLOAT32, 20)
