"""Signal to quantization noise as bars."""

from __future__ import annotations

import math

from mltoolkit.markup.fragments import Html, bar

# A bar is full at this ratio: 8 bits a weight give some 40 dB, each bit more or less about 6 dB.
FULL_DB = 50.0
# What most networks bear without a changed answer, and what hardly any does.
_GOOD_DB, _BAD_DB = 25.0, 12.0


def rating_of(decibels: float) -> str:
    """``good``, ``fair`` or ``bad``: a rule of thumb for the eye, no promise about answers."""
    return "good" if decibels >= _GOOD_DB else "fair" if decibels >= _BAD_DB else "bad"


def sqnr_bar(decibels: float | None) -> Html:
    """A bar for a ratio in dB; nothing for None."""
    if decibels is None:
        return Html("")
    if math.isinf(decibels):
        return bar(float(decibels > 0), "equal" if decibels > 0 else "nothing left", rating_of(decibels))
    return bar(decibels / FULL_DB, f"{decibels:z.1f} dB", rating_of(decibels))
