"""Putting a new folder in the place of an old one, in one step where the system has one."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from pathlib import Path

# fcntl.h and linux/fs.h; sys/stdio.h of macOS.
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_RENAME_SWAP = 2
# The kernel or the file system has no such step.
_NOT_THERE = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP)


def swap_folders(new: Path, old: Path, spare: Path) -> None:
    """Give ``new`` the name of ``old``, which is called ``new`` or ``spare`` afterwards.

    On Linux and macOS the two change names in one step (``renameat2``, ``renamex_np``), so that the name is
    never without a folder. Where the system or its file system cannot do that, the old folder steps aside to
    ``spare`` first, and back if the new one cannot take the name.

    Args:
        new: a folder, on the same file system.
        old: the folder that it replaces.
        spare: a free name beside it.

    Raises:
        OSError: the folders cannot be renamed; they are what they were.
    """
    if _exchange(new, old):
        return
    try:
        old.rename(spare)
        new.rename(old)
    except BaseException:
        if spare.exists() and not old.exists():
            spare.rename(old)
        raise


def _exchange(one: Path, other: Path) -> bool:
    """Whether two names were exchanged; False where that step does not exist."""
    if sys.platform == "win32":
        return False
    library = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(one), os.fsencode(other)
    if sys.platform == "darwin" and hasattr(library, "renamex_np"):
        failed = library.renamex_np(*names, _RENAME_SWAP)
    elif hasattr(library, "renameat2"):
        failed = library.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE)
    else:
        return False
    if not failed:
        return True
    code = ctypes.get_errno()
    if code in _NOT_THERE:
        return False
    raise OSError(code, os.strerror(code), str(other))
