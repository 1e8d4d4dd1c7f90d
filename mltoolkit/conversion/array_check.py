"""Whether an output of one stage of a conversion is that of another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.comparison.metrics import snr_db
from mltoolkit.conversion.report import OutputCheck

# Signal to noise in decibels that outputs must reach. float32: 60 dB, an error of a thousandth, is what sums of
# different order leave at worst in deep networks; the usual is above 100.
# float16: weights rounded to 11 bits leave 24 to 79 dB in the networks that docs/conversion.md lists.
DEFAULT_TOLERANCE = {"float32": 60.0, "float16": 20.0}
# Where the reference is all zeros there is no signal to compare with: float32 rounding of sums of ones.
SILENCE = 1e-6
# A few steps of float32 at 1: what a function that is computed around 1 leaves of a far smaller result.
# onnxruntime's Sigmoid gives values near 0 in steps of 6e-8, so the empty page that a text detector (PP-OCRv4) sees
# in noise, probabilities up to 4e-6, agrees to 14 to 26 dB only.
RESOLUTION = 4 * float(np.finfo(np.float32).eps)


def check_arrays(
    output: str,
    reference: NDArray[Any],
    other: NDArray[Any],
    *,
    stages: str,
    inputs: str,
    tolerance_db: float,
) -> OutputCheck:
    """Compare an output.

    Args:
        output: its name.
        reference: taken for right. Whole numbers and flags must be equal, floating values within the tolerance.
        other: the same output of another stage; the axes of size 1 may differ for a scalar only.
        stages: what is compared, for the report.
        inputs: what was fed, for the report.
        tolerance_db: lowest signal to noise ratio.
    """
    exact = reference.dtype.kind in "iub"
    check = OutputCheck(
        output, stages, inputs, "exact" if exact else "SQNR", tolerance_db=None if exact else tolerance_db
    )
    if reference.shape != other.shape and not (reference.size == other.size == 1):
        return replace(check, passed=False, reason=f"shape {other.shape} in place of {reference.shape}")
    a, b = (array.astype(np.float64).reshape(reference.shape) for array in (reference, other))
    finite = np.isfinite(a) & np.isfinite(b)
    unlike = ~((a == b) | (np.isnan(a) & np.isnan(b)))
    check = replace(check, largest_difference=float(np.abs(a[finite] - b[finite]).max(initial=0)))
    if exact:
        reason = f"{int(unlike.sum())} of {a.size} values differ" if unlike.any() else ""
        return replace(check, passed=not unlike.any(), reason=reason)
    broken = int((unlike & ~finite).sum())
    if broken:
        reason = f"{broken} of {a.size} values are NaN or infinite in only one of the two"
        return replace(check, decibels=-np.inf, passed=False, reason=reason)
    decibels = snr_db(a, b)
    if unlike.any() and not np.any(a[finite]):
        small = check.largest_difference is not None and check.largest_difference <= SILENCE
        return replace(check, passed=small, reason=f"all zeros on one side, up to {check.largest_difference:.3g}")
    if decibels < tolerance_db and check.largest_difference is not None and check.largest_difference <= RESOLUTION:
        reason = f"all values are below {np.abs(a[finite]).max(initial=0):.2g}"
        return replace(check, decibels=decibels, passed=True, reason=reason)
    return replace(check, decibels=decibels, passed=decibels >= tolerance_db)
