"""SNR, PSNR, KL divergence and equality against their definitions and against scikit-image and SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mltoolkit.comparison.metrics import equal_fraction, is_distribution, kl_divergence, psnr_db, snr_db
from mltoolkit.errors import ArgumentError

arrays = hnp.arrays(np.float32, hnp.array_shapes(max_dims=3, max_side=6), elements=st.floats(-100, 100, width=32))
# Below 2**-20 the float32 noise of adding would itself vanish.
sizes = st.floats(2**-10, 100, width=32)


@given(reference=arrays, scale=sizes)
def test_snr_of_a_scaled_error(reference: np.ndarray, scale: float) -> None:
    """An error of e times the signal is -20 log10 e dB."""
    wide = reference.astype(np.float64)
    expected = -20 * math.log10(scale) if wide.any() else math.inf
    # float64 rounding of (1 + e) x - x is a 1e-13 part of it for e >= 1e-3.
    assert snr_db(wide, wide * (1 + scale)) == pytest.approx(expected, abs=1e-6)


@given(reference=arrays, factor=st.sampled_from([1e-30, 1e-6, 1e6, 1e30]))
def test_ratios_do_not_depend_on_the_scale(reference: np.ndarray, factor: float) -> None:
    a = reference.astype(np.float64)
    b = a + np.linspace(1, 2, a.size).reshape(a.shape)
    assert snr_db(factor * a, factor * b) == pytest.approx(snr_db(a, b), abs=1e-6)
    assert psnr_db(factor * a, factor * b) == pytest.approx(psnr_db(a, b), abs=1e-6)


@given(reference=arrays)
def test_equal_arrays_are_infinite(reference: np.ndarray) -> None:
    assert snr_db(reference, reference) == psnr_db(reference, reference) == math.inf


def test_noise_on_silence_is_minus_infinity() -> None:
    assert snr_db([0.0, 0.0], [0.0, 0.1]) == psnr_db([0.0, 0.0], [0.0, 0.1]) == -math.inf


def test_pixels_do_not_wrap() -> None:
    """10 - 20 is -10, not 246 as in uint8, where coremltools computes."""
    a, b = np.full((3, 4, 4), 10, np.uint8), np.full((3, 4, 4), 20, np.uint8)
    expected = 10 * math.log10(255**2 / 10**2)
    assert psnr_db(a, b, peak=255) == pytest.approx(expected, abs=1e-12)
    assert psnr_db(b, a, peak=255) == pytest.approx(expected, abs=1e-12)


def test_psnr_equals_scikit_image() -> None:
    metrics = pytest.importorskip("skimage.metrics")
    random = np.random.default_rng(1)
    a, b = random.integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    expected = metrics.peak_signal_noise_ratio(a, b, data_range=255)
    assert psnr_db(a, b, peak=255) == pytest.approx(expected, abs=1e-9)


def test_default_peak_is_the_greatest_magnitude() -> None:
    assert psnr_db([-4.0, 2.0], [-4.0, 3.0]) == pytest.approx(psnr_db([-4.0, 2.0], [-4.0, 3.0], peak=4))


def test_shared_infinities_carry_no_noise() -> None:
    a, b = [math.inf, -math.inf, math.nan, 3.0, 4.0], [math.inf, -math.inf, math.nan, 3.0, 4.5]
    assert snr_db(a, b) == pytest.approx(20, abs=1e-9)


@pytest.mark.parametrize(("a", "b"), [(math.nan, 1), (1, math.nan), (math.inf, 1), (math.inf, -math.inf)])
def test_an_infinity_in_one_only_is_infinite_noise(a: float, b: float) -> None:
    assert snr_db([1.0, a], [1.0, b]) == psnr_db([1.0, a], [1.0, b]) == -math.inf


@pytest.mark.parametrize("measure", [snr_db, psnr_db, equal_fraction, kl_divergence])
def test_shapes_must_agree(measure) -> None:
    with pytest.raises(ArgumentError, match=r"\(2,\).*\(3,\)"):
        measure([0.5, 0.5], [0.2, 0.3, 0.5])


@pytest.mark.parametrize("peak", [0, -1, math.nan, math.inf])
def test_peak_must_be_positive(peak: float) -> None:
    with pytest.raises(ArgumentError, match="peak"):
        psnr_db([1.0], [2.0], peak=peak)


def test_empty_arrays_are_equal() -> None:
    assert snr_db([], []) == psnr_db([], []) == math.inf
    assert equal_fraction([], []) == 1


probabilities = hnp.arrays(np.float64, 5, elements=st.floats(1e-3, 1))


@given(p=probabilities, q=probabilities)
def test_kl_equals_its_definition(p: np.ndarray, q: np.ndarray) -> None:
    entropy = pytest.importorskip("scipy.stats").entropy
    # SciPy normalises too; no value comes near the floor.
    assert kl_divergence(p, q) == pytest.approx(entropy(p, q), abs=1e-12)


@given(p=probabilities, q=probabilities)
def test_kl_is_positive_and_zero_only_for_equal_vectors(p: np.ndarray, q: np.ndarray) -> None:
    assert kl_divergence(p, p) == 0
    found = kl_divergence(p, q)
    # Pinsker's inequality: KL >= (sum |p - q|)² / 2.
    distance = np.abs(p / p.sum() - q / q.sum()).sum()
    assert found >= distance**2 / 2 - 1e-12, (found, distance)


def test_kl_of_a_vanished_class_is_finite() -> None:
    # 0.5 ln(0.5 / 1e-12) + 0.5 ln(0.5 / 1), each vector then renormalised by 1 + 1e-12.
    expected = 0.5 * math.log(0.5 / 1e-12) + 0.5 * math.log(0.5)
    assert kl_divergence([0.5, 0.5], [0.0, 1.0]) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("bad", [[-0.1, 1.1], [math.nan, 1], [math.inf, 1], [0, 0]])
def test_kl_of_scores_that_are_no_probabilities(bad: list[float]) -> None:
    assert not is_distribution(np.array(bad))
    with pytest.raises(ArgumentError, match="softmax"):
        kl_divergence([0.5, 0.5], bad)


def test_equal_fraction_counts_nan_as_equal() -> None:
    assert equal_fraction([math.nan, 1, 2, 3], [math.nan, 1, 2, math.nan]) == 0.75
