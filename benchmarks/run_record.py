"""When and with what something was measured, in one line."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

# Measured with everywhere; a benchmark names what else matters to it.
_PACKAGES = ("onnxruntime", "coremltools", "numpy")


def processors() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def load_average() -> str:
    """How busy the machine has been in the last minute; "unknown" where the system does not tell."""
    try:
        return f"{os.getloadavg()[0]:.1f}"
    except (AttributeError, OSError):
        return "unknown"


def conditions(packages: Iterable[str] = ()) -> str:
    """The date (UTC) and the versions and processors of a run that starts now.

    Args:
        packages: further distributions whose versions are told, those that are installed.
    """
    versions = [f"Python {platform.python_version()}"]
    for name in (*_PACKAGES, *packages):
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    machine = f"{platform.system()} {platform.machine()}, {processors()} processors, load {load_average()} at the start"
    return f"{time.strftime('%Y-%m-%d', time.gmtime())}, {', '.join(versions)}, {machine}"
