"""Plain values that strict JSON can hold."""

from __future__ import annotations

import math
from typing import Any


def finite(value: Any) -> Any:
    """The same dictionaries, lists and numbers, with None for infinities and NaN.

    >>> finite({"snr": float("inf"), "psnr": (1.5,)})
    {'snr': None, 'psnr': [1.5]}
    """
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
