"""Digits anywhere in a 40 × 40 picture, among scraps of other digits.

Two sources: cluttered MNIST, where its file lies beside the checkout, and digits drawn by mltoolkit's own generator.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mltoolkit.digits.generator import digit_dataset

SIZE = 40
_DIGIT = 28
_SCRAPS = 4
_SCRAP = 5

# Seeds of the drawn pictures; that they differ makes the test pictures unseen.
TRAINING_SEED = 40_000
TEST_SEED = 40_001

Pictures = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


def drawn_digits(count: int, seed: int) -> tuple[Pictures, Labels]:
    """Draw cluttered digits.

    Args:
        count: number of pictures.
        seed: different seeds give independent pictures.

    Returns:
        float32 of shape (count, 40, 40, 1) in 0..1, and int64 labels of shape (count,).
    """
    digits, labels = digit_dataset(count, seed)
    rng = np.random.default_rng(seed)
    pictures = np.zeros((count, SIZE, SIZE), np.uint8)
    for picture, digit in zip(pictures, digits, strict=True):
        for _ in range(_SCRAPS):
            other = digits[rng.integers(count)]
            # Scraps come from where the ink is.
            row, column = rng.integers(4, _DIGIT - 4 - _SCRAP, 2)
            _lay(picture, other[row : row + _SCRAP, column : column + _SCRAP], rng)
        _lay(picture, digit, rng)
    return pictures[..., None].astype(np.float32) / 255, labels.astype(np.int64)


def _lay(picture: npt.NDArray[np.uint8], piece: npt.NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Lay a square piece on a picture, at random."""
    size = len(piece)
    row, column = rng.integers(0, SIZE - size + 1, 2)
    place = picture[row : row + size, column : column + size]
    np.maximum(place, piece, out=place)


def shared_file() -> Path | None:
    """Where cluttered MNIST lies (``MLTOOLKIT_SHARED``, or ``shared`` beside the checkout), or None."""
    beside = Path(__file__).resolve().parent.parent.parent / "shared"
    path = Path(os.environ.get("MLTOOLKIT_SHARED", beside)) / "data" / "datasets" / "cluttered_mnist_40x40.npz"
    return path if path.is_file() else None


def cluttered_mnist(path: Path, part: str) -> tuple[Pictures, Labels]:
    """Pictures and labels of a part of cluttered MNIST: ``train`` (10,000), ``valid`` or ``test`` (1,000 each)."""
    with np.load(path) as data:
        pictures = data[f"X_{part}"].reshape(-1, SIZE, SIZE, 1).astype(np.float32)
        return pictures, data[f"y_{part}"].reshape(-1).astype(np.int64)


def unseen_digits(count: int = 1000) -> tuple[str, Pictures, Labels]:
    """The name of the test pictures at hand, the pictures and the labels: cluttered MNIST, else drawn digits."""
    path = shared_file()
    if path is not None:
        return "cluttered MNIST", *(part[:count] for part in cluttered_mnist(path, "test"))
    return "drawn digits", *drawn_digits(count, TEST_SEED)
