"""The difference of one array or image output on one input."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.comparison.metrics import equal_fraction, psnr_db, snr_db
from mltoolkit.comparison.records import OutputDifference
from mltoolkit.comparison.similarity import WINDOW, ssim, ssim_available
from mltoolkit.errors import ComparisonError
from mltoolkit.formats.features import ArrayFeature, Feature, ImageFeature, ScalarFeature

_PIXEL_PEAK = 255.0


def output_difference(feature: Feature, reference: NDArray[Any], other: NDArray[Any], sample: str) -> OutputDifference:
    """Measure how far the second model's output lies from the first's.

    Args:
        feature: the output as the first model describes it.
        reference: the first model's output before post-processing, any shape.
        other: the second model's.
        sample: the input's name, for messages.

    Raises:
        ComparisonError: the shapes differ.
    """
    reference, other = np.asarray(reference), np.asarray(other)
    if reference.shape != other.shape:
        raise ComparisonError(
            f"the outputs have the shapes {reference.shape} and {other.shape} for the input {sample!r}",
            where=f"output {feature.name!r}",
        )
    # A GRAY_FLOAT16 image is a map of any numbers, such as depths.
    if isinstance(feature, ImageFeature) and feature.color_space != "GRAY_FLOAT16":
        return _image_difference(feature.name, reference, other)
    integers = isinstance(feature, ArrayFeature | ScalarFeature) and "int" in feature.dtype
    single = reference.size == 1
    return OutputDifference(
        feature.name,
        snr_db(reference, other),
        psnr_db(reference, other),
        equal=equal_fraction(reference, other) if integers else None,
        reference_value=float(reference.reshape(-1)[0]) if single else None,
        other_value=float(other.reshape(-1)[0]) if single else None,
    )


def _image_difference(name: str, reference: NDArray[Any], other: NDArray[Any]) -> OutputDifference:
    a, b = _pixels(reference), _pixels(other)
    return OutputDifference(
        name,
        snr_db(a, b),
        psnr_db(a, b, peak=_PIXEL_PEAK),
        ssim=_similarity(a, b) if ssim_available() and min(a.shape[-2:]) >= WINDOW else None,
    )


def _similarity(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    # NaN, which SNR and PSNR tell as infinite noise, is a black pixel to the eye.
    return ssim(np.nan_to_num(a, nan=0.0), np.nan_to_num(b, nan=0.0), peak=_PIXEL_PEAK)


def _pixels(image: NDArray[Any]) -> NDArray[np.float64]:
    """The picture that a user gets, whole numbers in 0..255, as float64 so that differences do not wrap."""
    pixels = np.clip(np.rint(np.asarray(image, dtype=np.float64)), 0, _PIXEL_PEAK)
    return pixels.reshape(pixels.shape[-3:]) if pixels.ndim > 3 else pixels
