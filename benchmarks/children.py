"""Processes of their own, whose memory is nobody else's."""

from __future__ import annotations

import os
import subprocess
import sys

# Code for the process: peak() gives its peak of resident memory so far.
PEAK = """
import sys
def peak():
    "Bytes; not ru_maxrss where there is another way, since a child starts with its parent's."
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    except OSError:
        pass
    if sys.platform == "win32":
        import psutil
        return psutil.Process().memory_info().peak_wset
    import resource
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
"""


def run_child(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Python with these arguments, in a process of its own.

    Raises:
        SystemExit: it failed.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    # An installed package has its bytecode; writing it here is the first run's work.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    result = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        raise SystemExit(result.stderr)
    return result
