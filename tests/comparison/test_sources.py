"""Every kind of sample data, and what each wrong one says."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from comparison_fakes import array_feature, image_feature, write_pictures
from PIL import Image

from mltoolkit.comparison.sources import open_samples
from mltoolkit.errors import ComparisonError

IMAGE = (image_feature(),)


def names(stream) -> list[str]:
    return [sample.name for sample in stream.samples]


def test_folder_any_case_any_depth_sorted(tmp_path: Path) -> None:
    found = ["B.JPEG", "a.jpg", "b/c.PNG", "b/d/e.Bmp", "b.gif", "f.tif", "g.TIFF", "h.webp"]
    write_pictures(tmp_path, found)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "jpg").write_text("no extension")
    write_pictures(tmp_path, [".hidden.jpg", ".cache/thumbnail.png"])
    (tmp_path / "folder.jpg").mkdir()
    stream = open_samples(tmp_path, IMAGE)
    expected = sorted(found, key=lambda name: Path(name).parts)
    assert stream.total == len(expected)
    assert names(stream) == expected
    assert names(open_samples(str(tmp_path), IMAGE)) == expected


def test_linked_folders_are_read_once(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["one/a.png"])
    (tmp_path / "one" / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "two").symlink_to(tmp_path / "one", target_is_directory=True)
    assert names(open_samples(tmp_path, IMAGE)) == ["one/a.png"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["a.png"])
    os.mkfifo(tmp_path / "pipe.jpg")
    assert names(open_samples(tmp_path, IMAGE)) == ["a.png"]


def test_one_picture(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["a.png"])
    stream = open_samples(tmp_path / "a.png", IMAGE)
    assert (stream.total, names(stream)) == (1, [str(tmp_path / "a.png")])
    assert names(open_samples(Image.open(tmp_path / "a.png"), IMAGE)) == [str(tmp_path / "a.png")]


def test_list_of_pictures_paths_and_arrays() -> None:
    pixels = np.zeros((4, 4, 3), np.uint8)
    data = ["cat.jpg", Path("dog.jpg"), Image.new("RGB", (4, 4)), pixels, {"image": "eel.jpg"}]
    stream = open_samples(data, IMAGE)
    assert stream.total == 5
    assert names(stream) == ["cat.jpg", "dog.jpg", "input 2", "input 3", "eel.jpg"]


def test_an_iterator_is_not_read_ahead() -> None:
    counter = itertools.count()
    stream = open_samples(({"x": np.full(4, number)} for number in counter), (array_feature("x"),))
    taken = list(itertools.islice(stream.samples, 3))
    assert stream.total is None
    assert [sample.name for sample in taken] == ["input 0", "input 1", "input 2"]
    assert next(counter) == 3


def test_a_dictionary_filled_again_is_copied() -> None:
    def reused():
        record = {}
        for number in range(3):
            record["x"] = np.full(4, number)
            yield record

    samples = list(open_samples(reused(), (array_feature("x"),)).samples)
    assert [int(sample.value["x"][0]) for sample in samples] == [0, 1, 2]


def test_optional_inputs_do_not_hinder_a_folder(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["a.png"])
    inputs = (array_feature("state", optional=True), *IMAGE, image_feature("mask", optional=True))
    assert open_samples(tmp_path, inputs).single_input == IMAGE[0]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ((array_feature("x"),), "'x' (array)"),
        ((*IMAGE, array_feature("x")), "'image' (image), 'x' (array)"),
        ((*IMAGE, image_feature("second")), "'second' (image)"),
        ((array_feature("x", optional=True), image_feature("i", optional=True)), "'i' (image, optional)"),
    ],
)
def test_folder_for_a_model_that_wants_more(tmp_path: Path, inputs, message: str) -> None:
    write_pictures(tmp_path, ["a.png"])
    with pytest.raises(ComparisonError) as caught:
        open_samples(tmp_path, inputs)
    assert message in str(caught.value)
    assert "dictionaries" in str(caught.value)


def test_empty_folder_says_what_a_picture_is(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(ComparisonError, match="no picture") as caught:
        open_samples(tmp_path, IMAGE)
    assert str(tmp_path) in str(caught.value)
    assert ".jpeg" in str(caught.value)


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(ComparisonError, match="does not exist"):
        open_samples(tmp_path / "absent", IMAGE)


@pytest.mark.parametrize("data", [None, 3, {"image": "cat.jpg"}, np.zeros((4, 4, 3)), b"cat.jpg", []])
def test_what_is_no_sample_data(data) -> None:
    with pytest.raises(ComparisonError, match="Give a folder"):
        open_samples(data, IMAGE)


def test_a_bare_value_for_a_model_of_two_inputs() -> None:
    stream = open_samples([np.zeros(4)], (array_feature("x"), array_feature("y")))
    with pytest.raises(ComparisonError, match=r"'x' \(array\), 'y' \(array\)") as caught:
        list(stream.samples)
    assert "input 0" in str(caught.value)
