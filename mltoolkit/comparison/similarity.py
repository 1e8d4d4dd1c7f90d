"""Structural similarity of pictures, through scikit-image (extra 'ssim')."""

from __future__ import annotations

import functools
import importlib.util
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mltoolkit.errors import ArgumentError, MissingExtraError

#: Side of the 11 x 11 Gaussian window of the paper; smaller pictures have no SSIM.
WINDOW = 11


@functools.cache
def ssim_available() -> bool:
    """Whether scikit-image is installed; it is not imported to find out."""
    return importlib.util.find_spec("skimage") is not None


def ssim(reference: ArrayLike, other: ArrayLike, *, peak: float = 255.0) -> float:
    """Mean structural similarity index, 1 for equal pictures.

    Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality assessment: from error visibility
    to structural similarity", IEEE Transactions on Image Processing 13 (2004), with the paper's Gaussian
    window of sigma 1.5 and population covariance; the mean over channels for colour pictures.

    Args:
        reference: (H, W) or channels first (C, H, W), any real dtype; H and W at least 11.
        other: the same shape.
        peak: the greatest value a pixel can take.

    Raises:
        ArgumentError: shapes differ, are not pictures, or are smaller than the window.
        MissingExtraError: scikit-image is not installed.
    """
    if not ssim_available():
        raise MissingExtraError("scikit-image", "ssim", "the structural similarity of pictures")
    a, b = (np.asarray(picture, dtype=np.float64) for picture in (reference, other))
    if a.shape != b.shape or a.ndim not in (2, 3) or min(a.shape[-2:]) < WINDOW:
        raise ArgumentError(
            f"pictures of shapes {a.shape} and {b.shape} have no SSIM",
            fix=f"Give two of one shape, (H, W) or (C, H, W), at least {WINDOW} pixels high and wide",
        )
    from skimage import metrics

    structural_similarity: Any = metrics.structural_similarity
    return float(
        structural_similarity(
            a,
            b,
            data_range=peak,
            channel_axis=0 if a.ndim == 3 else None,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )
