"""What kind of number an argument is: Python's or NumPy's, and never a truth value."""

from __future__ import annotations

from typing import Any

import numpy as np


def is_whole_number(value: Any) -> bool:
    """Whether it is a whole number."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether it is a whole or a floating number."""
    return is_whole_number(value) or isinstance(value, (float, np.floating))
