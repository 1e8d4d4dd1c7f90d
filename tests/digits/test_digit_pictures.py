"""The pictures of sample_images: labelled, unseen, credited."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from PIL import Image

from mltoolkit.digits import digit_images_path, digit_model_path
from mltoolkit.digits.generator import digit_dataset
from mltoolkit.digits.seeds import SAMPLE_SEED, TRAINING_SEED, VALIDATION_SEED


def pictures() -> list[Path]:
    return sorted(digit_images_path().glob("*/*.png"))


def test_every_digit_has_as_many_pictures() -> None:
    counts = {label: len(list((digit_images_path() / str(label)).glob("*.png"))) for label in range(10)}
    assert set(counts.values()) == {50}, counts
    assert {path.parent.name for path in pictures()} == set("0123456789")


def test_they_are_small_gray_pngs() -> None:
    for path in pictures():
        with Image.open(path) as image:
            assert (image.format, image.mode, image.size) == ("PNG", "L", (28, 28)), path
    assert sum(path.stat().st_size for path in pictures()) < 400_000


def test_they_are_what_the_sample_seed_draws() -> None:
    drawn, labels = digit_dataset(100, SAMPLE_SEED)
    for index, (image, label) in enumerate(zip(drawn, labels, strict=True)):
        stored = np.asarray(Image.open(digit_images_path() / str(label) / f"{index // 10:03d}.png"))
        # Another processor may round a pixel the other way.
        assert np.abs(stored.astype(int) - image).max() <= 1, f"picture {index} differs"


def test_the_classifier_never_saw_them() -> None:
    assert SAMPLE_SEED not in (TRAINING_SEED, VALIDATION_SEED)
    seen = {image.tobytes() for seed in (TRAINING_SEED, VALIDATION_SEED) for image in digit_dataset(500, seed)[0]}
    assert not seen & {np.asarray(Image.open(path)).tobytes() for path in pictures()}


def test_the_credits_name_every_photograph(project: Path) -> None:
    folder = project / "sample_images"
    rows = re.findall(
        r"^\| ([\w.-]+\.(?:jpg|png)) \|", (folder / "CREDITS.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    photographs = sorted(path.name for path in (folder / "photographs").iterdir())
    assert sorted(rows) == photographs
    assert len(photographs) >= 5
    assert sum(path.stat().st_size for path in (folder / "photographs").iterdir()) < 2_000_000


def test_there_is_nothing_uncredited_beside_them(project: Path) -> None:
    names = {path.name for path in (project / "sample_images").iterdir()} - {"__pycache__"}
    assert names == {"CREDITS.md", "__init__.py", "digits", "photographs"}


def test_the_paths_exist() -> None:
    assert digit_model_path().is_file()
    assert digit_images_path().is_dir()
