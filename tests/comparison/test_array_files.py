"""Samples in .npy and .npz files: the same as the arrays themselves, and what each wrong file says."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparison_fakes import array_feature, image_feature, write_pictures
from core_ml_pipelines import classifier

import mltoolkit as mlt
from mltoolkit.comparison.sources import open_samples
from mltoolkit.errors import ComparisonError, InputError
from mltoolkit.formats.features import ScalarFeature

X, Y = array_feature("x", (3, 2)), array_feature("y", (5,))
NUMBER = ScalarFeature("n", "", False, "float64")
RNG = np.random.default_rng(5)


def taken(path: Path, *inputs: Any) -> list[tuple[str, dict[str, np.ndarray]]]:
    stream = open_samples(path, inputs)
    found = [(sample.name, sample.value) for sample in stream.samples]
    assert stream.total == len(found)
    return found


def test_one_sample_a_file(tmp_path: Path) -> None:
    values = RNG.normal(size=(3, 3, 2)).astype(np.float32)
    (tmp_path / "deeper").mkdir()
    for name, value in zip(("b.npy", "a.NPY", "deeper/c.npy"), values, strict=True):
        with (tmp_path / name).open("wb") as file:
            np.save(file, value)
    found = taken(tmp_path, X)
    assert [name for name, _ in found] == ["a.NPY", "b.npy", "deeper/c.npy"]
    for (_, value), expected in zip(found, values[[1, 0, 2]], strict=True):
        np.testing.assert_array_equal(value["x"], expected)


def test_rows_of_one_file(tmp_path: Path) -> None:
    values = RNG.normal(size=(4, 3, 2)).astype(np.float32)
    np.save(tmp_path / "all.npy", values)
    for path in (tmp_path, tmp_path / "all.npy"):
        found = taken(path, X)
        assert [name for name, _ in found] == [f"all.npy[{row}]" for row in range(4)]
        for (_, value), expected in zip(found, values, strict=True):
            np.testing.assert_array_equal(value["x"], expected)


def test_several_inputs(tmp_path: Path) -> None:
    x, y, numbers = RNG.normal(size=(4, 3, 2)), RNG.normal(size=(4, 5)), np.arange(4.0)
    np.savez(tmp_path / "many.npz", x=x, y=y, n=numbers)
    np.savez_compressed(tmp_path / "one.npz", x=x[2], y=y[2], n=numbers[2])
    found = taken(tmp_path, X, Y, NUMBER)
    assert [name for name, _ in found] == ["many.npz[0]", "many.npz[1]", "many.npz[2]", "many.npz[3]", "one.npz"]
    for name, value in found[-1:] + found[2:3]:
        assert sorted(value) == ["n", "x", "y"]
        np.testing.assert_array_equal(value["x"], x[2], err_msg=name)
        np.testing.assert_array_equal(value["y"], y[2], err_msg=name)
        assert value["n"] == 2


def test_axes_of_size_one_are_no_rows(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((1, 3, 2)))
    assert [name for name, _ in taken(tmp_path, X)] == ["a.npy"]


def test_open_sizes_are_one_sample(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((7, 2)))
    np.save(tmp_path / "b.npy", np.zeros((4, 7, 2)))
    assert [name for name, _ in taken(tmp_path, array_feature("x", (0, 2)))] == [
        "a.npy",
        *(f"b.npy[{row}]" for row in range(4)),
    ]


def test_pictures_as_arrays(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", image=pixels, x=np.zeros((6, 3, 2)))
    found = taken(tmp_path, image_feature(), X)
    assert len(found) == 6
    np.testing.assert_array_equal(found[5][1]["image"], pixels[5])


def test_a_folder_of_pictures_stays_one(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["a.png"])
    np.save(tmp_path / "labels.npy", np.zeros(1))
    assert [sample.name for sample in open_samples(tmp_path, (image_feature(),)).samples] == ["a.png"]


def test_unreadable_files_are_listed(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 2)))
    (tmp_path / "b.npy").write_bytes(b"no array")
    np.save(tmp_path / "c.npy", np.array([{"x": 1}], dtype=object), allow_pickle=True)
    (tmp_path / "d.npz").write_bytes(b"PK\x03\x04 cut off")
    np.save(tmp_path / "e.npy", np.zeros((0, 3, 2)))
    np.save(tmp_path / "f.npy", np.zeros((4, 3, 2)))
    (tmp_path / "f.npy").write_bytes((tmp_path / "f.npy").read_bytes()[:100])
    stream = open_samples(tmp_path, (X,))
    reasons = {Path(item.name).name: item.reason for item in stream.unreadable}
    assert sorted(reasons) == ["b.npy", "c.npy", "d.npz", "e.npy", "f.npy"], reasons
    assert "Python objects" in reasons["c.npy"]
    assert "no sample" in reasons["e.npy"]


class _Planted:
    def __reduce__(self) -> Any:
        return (pytest.fail, ("a file was unpickled",))


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(pickle.dumps(_Planted()))
    with pytest.raises(ComparisonError, match="no file of arrays"):
        open_samples(tmp_path / "a.npy", (X,))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((4, 3, 2)), "y": np.zeros((3, 5))}, "different numbers of samples"),
        ({"x": np.zeros((4, 3, 2)), "y": np.zeros(5)}, "different numbers of samples"),
        ({}, "no array"),
    ],
)
def test_arrays_that_do_not_go_together(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ComparisonError, match=message):
        open_samples(tmp_path / "a.npz", (X, Y))


def test_npy_for_several_inputs(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 2)))
    with pytest.raises(ComparisonError, match=r"which input.*\.npz"):
        open_samples(tmp_path / "a.npy", (X, Y))


def test_an_empty_folder_says_what_it_should_hold(tmp_path: Path) -> None:
    with pytest.raises(ComparisonError, match=r"no .npy or .npz file.*'x' \(array\)"):
        open_samples(tmp_path, (X,))


@pytest.fixture(scope="module")
def network() -> mlt.Model:
    return mlt.Model.from_spec(classifier("x", (6,)))


def test_comparing_and_calibrating_on_files_is_as_on_arrays(tmp_path: Path, network: mlt.Model) -> None:
    values = RNG.normal(size=(80, 6)).astype(np.float32)
    np.save(tmp_path / "x.npy", values)
    listed = list(values)
    small = mlt.quantize_calibrated(network, tmp_path, nbits=2)
    assert small.spec == mlt.quantize_calibrated(network, listed, nbits=2).spec
    from_files = mlt.compare_models(network, small, tmp_path, progress=False)
    from_arrays = mlt.compare_models(network, small, listed, progress=False)
    assert from_files.count == 80
    assert from_files.mean_kl == from_arrays.mean_kl
    assert from_files.inputs[7].name == "x.npy[7]"
    layers = [mlt.compare_layers(network, small, data, progress=False).layers for data in (tmp_path, listed)]
    assert [layer.snr_db for layer in layers[0]] == [layer.snr_db for layer in layers[1]]


def test_misspelt_inputs_are_named(tmp_path: Path, network: mlt.Model) -> None:
    np.savez(tmp_path / "a.npz", y=np.zeros(6))
    with pytest.raises(InputError, match=r"no input 'y'.*'x'"):
        mlt.compare_models(network, network, tmp_path, progress=False)
