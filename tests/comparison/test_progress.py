"""Who gets a progress bar."""

from __future__ import annotations

import io
import sys

import pytest

from mltoolkit.comparison.progress import reporting


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("progress", "terminal", "shown"),
    [(None, True, True), (None, False, False), (False, True, False), (True, False, True)],
)
def test_bar_on_a_terminal_or_on_demand(monkeypatch: pytest.MonkeyPatch, progress, terminal: bool, shown: bool) -> None:
    stream = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with reporting(progress, 4) as show:
        show(4, 4)
    assert ("Comparing" in stream.getvalue()) == shown


def test_no_stderr_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    with reporting(None, None) as show:
        show(1, None)
