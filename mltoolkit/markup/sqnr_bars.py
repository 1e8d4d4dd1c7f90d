"""Signal to quantization noise as bars."""

from __future__ import annotations

import math

from mltoolkit.markup.fragments import Html, bar

# A bar is full at this ratio: 8 bits a weight give some 40 dB, each bit more or less about 6 dB.
_FULL_DB = 50.0
# What most networks bear without a changed answer, and what hardly any does.
_GOOD_DB, _BAD_DB = 25.0, 12.0


def rating_of(decibels: float) -> str:
    """``good``, ``fair`` or ``bad``: a rule of thumb for the eye, no promise about answers."""
    return "good" if decibels >= _GOOD_DB else "fair" if decibels >= _BAD_DB else "bad"


def share_and_text(decibels: float) -> tuple[float, str]:
    """How much of a bar a ratio fills, not bounded unless it is infinite, and what stands beside it."""
    if math.isinf(decibels):
        return (1.0, "equal") if decibels > 0 else (0.0, "nothing left")
    return decibels / _FULL_DB, f"{decibels:z.1f} dB"


def sqnr_bar(decibels: float | None) -> Html:
    """A bar for a ratio in dB; nothing for None."""
    return Html("") if decibels is None else bar(*share_and_text(decibels), rating_of(decibels))
