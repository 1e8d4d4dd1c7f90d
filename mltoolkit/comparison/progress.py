"""Telling the user how far a comparison is."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from mltoolkit.errors import ArgumentError

#: Called with the number of inputs done and their total, None where that is unknown.
ProgressCallback = Callable[[int, int | None], object]


@contextlib.contextmanager
def reporting(
    progress: bool | ProgressCallback | None, total: int | None, *, title: str = "Comparing"
) -> Iterator[ProgressCallback]:
    """A callback that shows progress while the block runs.

    Args:
        progress: True for a bar on stderr, False for none, None for a bar where stderr is a terminal; or a
            callable that is called with (done, total) in the caller's thread.
        total: how many inputs there are, None where that is unknown.
        title: what the bar says is done.

    Raises:
        ArgumentError: ``progress`` is something else.
    """
    if callable(progress):
        yield progress
        return
    if progress is not None and not isinstance(progress, bool):
        raise ArgumentError(f"progress is {progress!r}", fix="Give True, False, None or a function of (done, total)")
    if progress is False or (progress is None and not _stderr_is_terminal()):
        yield lambda done, total: None
        return
    with _bar(total, title) as show:
        yield show


def _stderr_is_terminal() -> bool:
    # Windowed Python has no stderr.
    return sys.stderr is not None and sys.stderr.isatty()


@contextlib.contextmanager
def _bar(total: int | None, title: str) -> Iterator[ProgressCallback]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    # The bar goes away when it is done, but in a log its last state is all that is ever written.
    with Progress(*columns, console=console, transient=console.is_terminal) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done, total: bar.update(task, completed=done, total=total)
