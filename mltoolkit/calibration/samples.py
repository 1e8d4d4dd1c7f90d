"""The samples: which to calibrate with, which to hold out, and whether they are enough."""

from __future__ import annotations

import logging

from mltoolkit.calibration.feeds import CalibrationFeeds
from mltoolkit.comparison.hold_out import drawn_apart
from mltoolkit.errors import ArgumentError

_log = logging.getLogger(__name__)

# Measured on SqueezeNet at 4 bits, see docs/calibration.md.
FEW_SAMPLES = 64
_LEAST_HELD_OUT = 20


def split_samples(feeds: CalibrationFeeds, share: float, seed: int) -> tuple[CalibrationFeeds, CalibrationFeeds | None]:
    """The samples to calibrate with, and those that are held out: a share of all, chosen at random.

    Raises:
        ArgumentError: of so many samples that share is none, or all.
    """
    if not share:
        return feeds, None
    own, apart = drawn_apart(len(feeds), share, seed)
    if not own or not apart:
        raise ArgumentError(
            f"a share of {share} of {len(feeds)} samples cannot be held out", fix="Give more samples, or held_out=0.5"
        )
    return feeds.take(own), feeds.take(apart)


def sample_warnings(own: CalibrationFeeds, apart: CalibrationFeeds | None) -> tuple[str, ...]:
    """What may be wrong with the samples to calibrate with and those held out; it is logged, too."""
    warnings = []
    if len(own) < FEW_SAMPLES:
        warnings.append(
            f"{len(own)} samples are few: with 16 instead of 256, SqueezeNet lost 5 points of agreement at 4 bits"
        )
    if apart is not None and len(apart) < _LEAST_HELD_OUT:
        warnings.append(f"an agreement measured on {len(apart)} held-out samples is rough")
    if own.unreadable:
        warnings.append(f"{len(own.unreadable)} pictures could not be read, the first: {own.unreadable[0].name}")
    if own.other_shapes:
        warnings.append(f"{own.other_shapes} samples of other shapes than most were left out")
    for warning in warnings:
        _log.warning("%s", warning)
    return tuple(warnings)
