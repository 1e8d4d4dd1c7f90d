"""Writing a file so that it is there completely or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

Buffer = bytes | memoryview
# A crash may leave a file or folder of such a name.
TEMPORARY_NAMES = ".mltoolkit-*.tmp"


def temporary_name(folder: Path) -> Path:
    """A name in ``folder`` that no other file has."""
    return folder / TEMPORARY_NAMES.replace("*", secrets.token_hex(8))


def write_atomically(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path``; whatever happens meanwhile, ``path`` holds the old content or the new one.

    The bytes go to a temporary file of the same folder, reach the disk, and only then take the name. After an
    error or an interruption the temporary file is removed. A replaced file's permissions are kept.

    Raises:
        OSError: the folder or the file cannot be written.
    """
    if path.exists() and not os.access(path, os.W_OK):
        # Replacing it would succeed, for that only the folder must be writable; its owner meant otherwise.
        raise PermissionError(13, "the file is write-protected", str(path))
    temporary = temporary_name(path.parent)
    try:
        write_durably(temporary, (data,))
        with contextlib.suppress(FileNotFoundError):
            temporary.chmod(path.stat().st_mode & 0o7777)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_durably(path: Path, parts: Iterable[Buffer]) -> None:
    """Create ``path`` of ``parts``, one after the other, and wait until they have reached the disk."""
    with path.open("xb") as file:
        for part in parts:
            file.write(part)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until a folder's entries have reached the disk, where the system can do that."""
    with contextlib.suppress(OSError):  # Windows cannot open folders, some network file systems cannot sync them
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
