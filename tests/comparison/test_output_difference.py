"""Which figures an output gets by its kind."""

from __future__ import annotations

import dataclasses
import importlib.util
import math

import numpy as np
import pytest
from comparison_fakes import array_feature, image_feature

from mltoolkit.comparison.metrics import psnr_db
from mltoolkit.comparison.outputs import output_difference
from mltoolkit.comparison.similarity import ssim
from mltoolkit.errors import ComparisonError
from mltoolkit.formats.features import ScalarFeature

RANDOM = np.random.default_rng(5)
PICTURE = RANDOM.uniform(-20, 280, (3, 16, 16)).astype(np.float32)
OTHER = PICTURE + RANDOM.normal(0, 5, PICTURE.shape).astype(np.float32)


def test_pictures_are_compared_as_a_user_gets_them() -> None:
    found = output_difference(image_feature(), PICTURE, OTHER, "a.png")
    a, b = (np.clip(np.rint(image), 0, 255).astype(np.uint8) for image in (PICTURE, OTHER))
    assert found.psnr_db == pytest.approx(psnr_db(a, b, peak=255), abs=1e-9)
    if importlib.util.find_spec("skimage"):
        assert found.ssim == pytest.approx(ssim(a, b), abs=1e-12)
    else:
        assert found.ssim is None
    batch = output_difference(image_feature(), PICTURE[None], OTHER[None], "a.png")
    assert batch == found


def test_pictures_under_the_window_have_no_ssim() -> None:
    found = output_difference(image_feature(), PICTURE[:, :8, :8], OTHER[:, :8, :8], "a.png")
    assert found.ssim is None
    assert math.isfinite(found.snr_db)


def test_a_depth_map_is_not_clipped() -> None:
    feature = dataclasses.replace(image_feature(), color_space="GRAY_FLOAT16")
    found = output_difference(feature, np.full((1, 16, 16), 1000.0), np.full((1, 16, 16), 1001.0), "a.png")
    assert found.psnr_db == pytest.approx(60, abs=1e-9)


def test_nan_pixels_are_infinite_noise_but_have_a_similarity() -> None:
    broken = OTHER.copy()
    broken[0, 0, 0] = math.nan
    found = output_difference(image_feature(), PICTURE, broken, "a.png")
    assert found.snr_db == -math.inf
    assert found.ssim is None or 0 < found.ssim < 1


def test_single_values_are_shown() -> None:
    found = output_difference(ScalarFeature("price", "", False, "float64"), np.array([10.0]), np.array([11.0]), "a")
    assert (found.reference_value, found.other_value, found.snr_db) == (10, 11, pytest.approx(20))
    assert found.equal is None


def test_integers_have_a_fraction_of_equal_elements() -> None:
    found = output_difference(array_feature("map", dtype="int32"), np.array([1, 2, 3, 4]), np.array([1, 2, 3, 5]), "a")
    assert found.equal == 0.75


def test_shapes_must_agree() -> None:
    with pytest.raises(ComparisonError, match=r"\(4,\) and \(5,\) for the input 'a.png' \(in output 'map'\)"):
        output_difference(array_feature("map"), np.zeros(4), np.zeros(5), "a.png")
