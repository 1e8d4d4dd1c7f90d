"""Decoding pictures: one place for predictions and comparisons, safe for threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mltoolkit.errors import UnreadablePictureError
from mltoolkit.runtime.pictures import decode

PIXELS = np.random.default_rng(3).integers(0, 256, (60, 80, 3), dtype=np.uint8)


def test_paths_are_decoded_and_their_files_closed(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    for path in (tmp_path / "a.png", str(tmp_path / "a.png")):
        picture = decode(path)
        assert picture.fp is None
        np.testing.assert_array_equal(np.asarray(picture), PIXELS)


def test_other_values_are_given_back() -> None:
    for value in (PIXELS, None, 3, [1]):
        assert decode(value) is value


def test_one_lazily_opened_image_in_many_threads(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).resize((1500, 1500)).save(tmp_path / "large.jpg", quality=95)
    for _ in range(3):
        lazy = Image.open(tmp_path / "large.jpg")
        with ThreadPoolExecutor(8) as pool:
            sums = set(pool.map(lambda _, image=lazy: int(np.asarray(decode(image), dtype=np.int64).sum()), range(8)))
        assert len(sums) == 1


def cut(path: Path) -> Path:
    Image.fromarray(PIXELS).save(path)
    path.write_bytes(path.read_bytes()[:200])
    return path


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda folder: folder / "gone.png", "there is no file '.*gone"),
        (lambda folder: folder, "cannot be read: Is a directory"),
        (lambda folder: cut(folder / "cut.png"), "the picture '.*cut"),
        (lambda folder: Image.open(cut(folder / "cut.png")), "the picture '.*cut"),
        (lambda folder: "a\0b", "cannot be read: embedded null"),
        (lambda folder: "", "there is no file ''"),
    ],
)
def test_faults_are_one_error_that_says_where(tmp_path: Path, make: Any, says: str) -> None:
    with pytest.raises(UnreadablePictureError, match=says) as caught:
        decode(make(tmp_path), where="input 'image'")
    assert caught.value.where == "input 'image'"
