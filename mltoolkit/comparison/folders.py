"""Finding the files of some kinds in a folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Container
from pathlib import Path

#: Compared in lower case.
IMAGE_EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp"})


def list_files(folder: Path, extensions: Container[str]) -> tuple[list[Path], list[tuple[Path, str]]]:
    """All files below a folder with one of these extensions, in whatever case, in the order of their paths.

    Hidden files and folders (a leading dot) and files of other types are passed over. Symbolic links are
    followed, each real folder once.

    Args:
        folder: an existing folder.
        extensions: in lower case, with their dots.

    Returns:
        The files, and the folders that could not be read, each with the reason.
    """
    files: list[Path] = []
    unreadable: list[tuple[Path, str]] = []
    visited: set[tuple[int, int]] = set()

    def note(error: OSError) -> None:
        unreadable.append((Path(error.filename), error.strerror or str(error)))

    for parent, subfolders, names in os.walk(folder, onerror=note, followlinks=True):
        status = Path(parent).stat()
        identity = (status.st_dev, status.st_ino)
        if identity in visited:
            subfolders.clear()
            continue
        visited.add(identity)
        # Sorted so that, of two links to one folder, the same is followed everywhere.
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        files += [Path(parent, name) for name in names if _is_wanted(Path(parent, name), extensions)]
    files.sort(key=lambda path: path.relative_to(folder).parts)
    return files, sorted(unreadable)


def _is_wanted(path: Path, extensions: Container[str]) -> bool:
    if path.name.startswith(".") or path.suffix.lower() not in extensions:
        return False
    try:
        # A pipe or a device would block for ever when it is opened.
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return True  # a broken link: it is listed as unreadable when it is opened
