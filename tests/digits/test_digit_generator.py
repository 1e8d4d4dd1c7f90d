"""The digit generator: repeatable, varied, whole digits on an empty ground."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mltoolkit.digits.generator import digit_dataset, draw_digit
from mltoolkit.errors import ArgumentError

labels = st.integers(0, 9)
seeds = st.integers(0, 2**32 - 1)


@given(labels, seeds)
@settings(max_examples=30, deadline=None)
def test_the_same_seed_draws_the_same_digit(label: int, seed: int) -> None:
    first, second = (draw_digit(label, np.random.default_rng(seed)) for _ in range(2))
    assert np.array_equal(first, second)


@given(labels, seeds, st.integers(8, 90))
@settings(max_examples=60, deadline=None)
def test_any_digit_has_ink_and_paper(label: int, seed: int, size: int) -> None:
    picture = draw_digit(label, np.random.default_rng(seed), size)
    assert picture.dtype == np.uint8 and picture.shape == (size, size)
    ink = picture.mean() / 255
    # 0.030 to 0.344 in 20,000 digits of 28 pixels, from 0.0145 in 2,000 of 8 pixels.
    assert 0.008 < ink < 0.45, f"ink covers {ink:.3f}"
    # 112 was the faintest of 2,000 digits of 8 pixels, where thin strokes are half a pixel wide.
    assert picture.max() > 70, f"brightest pixel {picture.max()}"


@given(labels, seeds)
@settings(max_examples=60, deadline=None)
def test_the_digit_does_not_cross_the_rim(label: int, seed: int) -> None:
    picture = draw_digit(label, np.random.default_rng(seed))
    rim = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    # A stroke may graze the rim: at most 0.027 of it in 20,000 digits.
    assert (rim > 128).mean() < 0.06, f"{(rim > 128).mean():.2f} of the rim is ink"


def test_a_longer_data_set_begins_with_the_shorter() -> None:
    images, some = digit_dataset(40, seed=3)
    more_images, more = digit_dataset(70, seed=3)
    assert images.shape == (40, 28, 28) and images.dtype == np.uint8 and some.dtype == np.uint8
    assert np.array_equal(images, more_images[:40]) and np.array_equal(some, more[:40])
    assert np.bincount(more).tolist() == [7] * 10


def test_no_two_pictures_are_alike() -> None:
    images, drawn = digit_dataset(600, seed=11)
    other, _ = digit_dataset(600, seed=12)
    every = np.concatenate([images, other])
    assert len({image.tobytes() for image in every}) == len(every)
    for label in range(10):
        flat = images[drawn == label].reshape(60, -1).astype(float) / 255
        distances = np.sqrt(((flat[:, None] - flat[None]) ** 2).sum(-1))[np.triu_indices(60, 1)]
        # A digit and itself moved by one pixel lie 4.5 apart (median); measured here: 6.7 (ones) to 9.6.
        assert np.median(distances) > 6, f"digit {label}: median distance {np.median(distances):.2f}"


def test_an_empty_data_set() -> None:
    images, drawn = digit_dataset(0, seed=0)
    assert images.shape == (0, 28, 28) and drawn.shape == (0,)


@pytest.mark.parametrize(("label", "size"), [(10, 28), (-1, 28), (3, 7)])
def test_wrong_label_or_size(label: int, size: int) -> None:
    with pytest.raises(ArgumentError):
        draw_digit(label, np.random.default_rng(0), size)


@pytest.mark.parametrize(("count", "seed"), [(-1, 0), (1, -1)])
def test_wrong_count_or_seed(count: int, seed: int) -> None:
    with pytest.raises(ArgumentError):
        digit_dataset(count, seed)
