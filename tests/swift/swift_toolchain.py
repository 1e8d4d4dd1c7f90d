"""Where a Swift compiler is, and running it on a package.

Either ``swift`` is on the path, or ``python tests/swift/set_up_swift.py`` has made a Debian with one in a folder
(MLTOOLKIT_SWIFT_ROOT, by default build/swift), in which packages are built under chroot.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
ROOT = Path(os.environ.get("MLTOOLKIT_SWIFT_ROOT", PROJECT / "build" / "swift"))
HOW = "no Swift compiler: install one, or run python tests/swift/set_up_swift.py as root (3.5 GB)"


def toolchain() -> str | None:
    """``path``, ``chroot``, or None where there is no compiler."""
    if shutil.which("swift"):
        return "path"
    return "chroot" if (ROOT / "usr/bin/swiftc").exists() and os.geteuid() == 0 else None


def swift(package: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``swift …`` in a package; in the chroot it works on a copy in /packages, whose build folder is kept."""
    if toolchain() == "path":
        return subprocess.run(["swift", *arguments], cwd=package, capture_output=True, text=True, check=False)
    inside = ROOT / "packages" / package.name
    shutil.rmtree(inside / "Sources", ignore_errors=True)
    shutil.copytree(package, inside, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".build"))
    if not (ROOT / "proc/self").exists():
        subprocess.run(["mount", "--bind", "/proc", str(ROOT / "proc")], check=True)
    command = f"cd /packages/{package.name} && HOME=/root swift {' '.join(arguments)}"
    return subprocess.run(
        ["chroot", str(ROOT), "/bin/bash", "-c", command], capture_output=True, text=True, check=False
    )
