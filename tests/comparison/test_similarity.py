"""SSIM: the paper's constants, orientation of the axes, and the missing extra."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from mltoolkit.comparison import similarity
from mltoolkit.comparison.similarity import ssim
from mltoolkit.errors import ArgumentError, MissingExtraError

needs_skimage = pytest.mark.skipif(not importlib.util.find_spec("skimage"), reason="needs the extra 'ssim'")


@needs_skimage
def test_uniform_pictures_have_only_the_luminance_term() -> None:
    """(2 a b + C1) / (a² + b² + C1) with C1 = (0.01 * 255)², since every variance is zero."""
    a, b, c1 = 100.0, 120.0, 2.55**2
    expected = (2 * a * b + c1) / (a * a + b * b + c1)
    # float64 rounding in the Gaussian filter.
    assert ssim(np.full((16, 20), a), np.full((16, 20), b)) == pytest.approx(expected, abs=1e-9)


@needs_skimage
def test_colour_is_the_mean_over_channels() -> None:
    random = np.random.default_rng(2)
    a = random.integers(0, 256, (3, 24, 31)).astype(np.uint8)
    b = random.integers(0, 256, (3, 24, 31)).astype(np.uint8)
    each = [ssim(x, y) for x, y in zip(a, b, strict=True)]
    assert ssim(a, b) == pytest.approx(np.mean(each), abs=1e-12)
    assert ssim(a, a) == 1


@needs_skimage
@pytest.mark.parametrize("shape", [(10, 40), (3, 40, 10), (40,), (1, 3, 40, 40)])
def test_what_is_no_picture(shape: tuple[int, ...]) -> None:
    with pytest.raises(ArgumentError, match="SSIM"):
        ssim(np.zeros(shape), np.zeros(shape))


def test_without_scikit_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similarity, "ssim_available", lambda: False)
    with pytest.raises(MissingExtraError, match=r'pip install "mltoolkit\[ssim\]"'):
        ssim(np.zeros((16, 16)), np.zeros((16, 16)))
