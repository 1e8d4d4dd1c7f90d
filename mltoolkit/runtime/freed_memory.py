"""Giving memory that is no longer used back to the system."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any


@cache
def _malloc_trim() -> Any | None:
    """glibc's function of that name; other C libraries have none."""
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None), "malloc_trim", None)


def return_freed_memory() -> None:
    """Give back what was freed between allocations that are still in use, which glibc keeps by itself."""
    trim = _malloc_trim()
    if trim is not None:
        trim(ctypes.c_size_t(0))
