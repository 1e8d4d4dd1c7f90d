"""Keeping some of the samples apart, so that calibrated methods are not compared on what they have seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mltoolkit.comparison.hold_out import drawn_apart
from mltoolkit.comparison.sources import Sample
from mltoolkit.errors import ArgumentError

# The same share of the same samples is the same split, whenever a sweep goes on.
_SEED = 0


def split(samples: Sequence[Sample], share: float) -> tuple[list[Sample], list[Sample]]:
    """Samples to compare on, and samples to calibrate with, each in their order and numbered from 0.

    Args:
        samples: all of them.
        share: of those to calibrate with, above 0 and below 1; which they are is drawn with a fixed seed.

    Raises:
        ArgumentError: the share is none, or leaves one of the two empty.
    """
    if not 0.0 < share < 1.0:
        raise ArgumentError(
            f"calibration_data is {share!r}", fix="Give samples, or a share of them above 0 and below 1"
        )
    comparing, calibrating = drawn_apart(len(samples), share, _SEED)
    if not comparing or not calibrating:
        raise ArgumentError(
            f"a share of {share:g} of {len(samples)} samples leaves none for the other side", fix="Give more samples"
        )
    return _numbered(samples, comparing), _numbered(samples, calibrating)


def _numbered(samples: Sequence[Sample], chosen: Sequence[int]) -> list[Sample]:
    return [replace(samples[place], index=index) for index, place in enumerate(chosen)]
