"""Make a Debian 13 with a Swift compiler in a folder, for ``python -m pytest tests/swift`` on Linux. Run as root.

    python tests/swift/set_up_swift.py            # about 3 minutes and 3.5 GB in build/swift

It needs debootstrap (``apt-get install debootstrap``) and the network of a Debian mirror.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from swift_toolchain import ROOT, toolchain

PACKAGES = "swiftlang,libc6-dev,libstdc++-14-dev,git,ca-certificates"
MIRROR = os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian")


def main() -> None:
    """Make the folder, unless there is a compiler already."""
    if toolchain():
        print(f"There is a Swift compiler already ({toolchain()}).")
        return
    if os.geteuid() != 0:
        sys.exit("chroot needs root")
    if not shutil.which("debootstrap"):
        sys.exit("debootstrap is missing: apt-get install debootstrap")
    ROOT.mkdir(parents=True, exist_ok=True)
    command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "trixie", str(ROOT), MIRROR]
    sys.exit(subprocess.run(command, check=False).returncode)


if __name__ == "__main__":
    main()
