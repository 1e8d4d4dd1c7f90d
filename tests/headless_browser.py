"""The browser that opens the pages which mltoolkit writes: Chromium or Chrome, where there is one."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")
# Where macOS and Windows keep it, off the path.
_PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
)


def browser_path() -> str:
    """The program; a test that asks is skipped where there is none."""
    found = [path for path in map(shutil.which, _NAMES) if path]
    found += [place for place in _PLACES if Path(place).is_file()]
    if not found:
        pytest.skip("needs Chromium: apt-get install chromium")
    return found[0]


@contextlib.contextmanager
def headless_browser() -> Iterator[Any]:
    """A running browser, driven by Playwright; a test that asks is skipped without either."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install playwright")
    path = browser_path()
    with playwright.sync_playwright() as driver:
        # As root, in a container, there is no sandbox and little shared memory.
        started = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield started
        started.close()
