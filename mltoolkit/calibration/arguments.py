"""Checking the arguments of :func:`mltoolkit.quantize_calibrated`."""

from __future__ import annotations

import math
from typing import Any

from mltoolkit.errors import ArgumentError
from mltoolkit.quantization.argument_kinds import is_number, is_whole_number

# Name → the least and the most that it may be.
_GOALS = {"max_bytes": (1, math.inf), "max_bits_per_weight": (0, math.inf), "min_agreement": (0, 1)}


def goal_of(given: dict[str, Any], settings: Any) -> str:
    """Which of the arguments says how far to go.

    Args:
        given: ``nbits``, ``max_bytes``, ``max_bits_per_weight`` and ``min_agreement``.
        settings: what the caller gave for it.

    Raises:
        ArgumentError: none does, several do, or it is no such number.
    """
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1 or (not named and settings is None):
        raise ArgumentError(
            f"{' and '.join(named)} are given" if named else "nothing says how small the model shall be",
            fix="Give one of nbits, max_bytes, max_bits_per_weight, min_agreement and settings",
        )
    for name, (least, most) in _GOALS.items():
        value = given[name]
        if value is not None and not (is_number(value) and math.isfinite(value) and least <= value <= most):
            raise ArgumentError(
                f"{name} is {value!r}", fix=f"Give a number from {least}" + (" to 1" if most == 1 else "")
            )
    return named[0] if named else "settings"


def check_rest(held_out: Any, limit: Any, rows: Any, seed: Any, agreement: Any) -> None:
    """Check what says how to measure.

    Raises:
        ArgumentError: one of them makes no sense.
    """
    if held_out is not None and not (is_number(held_out) and 0.0 <= held_out < 1.0):
        raise ArgumentError(f"held_out is {held_out!r}", fix="Give a share from 0 up to, but not, 1")
    for name, value, least in (("limit", limit, 1), ("rows", rows, 1), ("seed", seed, 0)):
        if value is None and name != "seed":
            continue
        if not is_whole_number(value) or value < least:
            raise ArgumentError(f"{name} is {value!r}", fix=f"Give a whole number from {least} on")
    if agreement is not None and not callable(agreement):
        raise ArgumentError(
            f"agreement is {agreement!r}", fix="Give a function of both models' outputs that returns 0 to 1"
        )
