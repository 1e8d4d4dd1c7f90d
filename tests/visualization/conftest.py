"""A browser for the pages: Debian's chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mltoolkit.visualization import Visualization

_NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium; the test is skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install playwright")
    found = next((path for path in map(shutil.which, _NAMES) if path), None)
    if found is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        # As root, in a container, there is no sandbox and little shared memory.
        started = driver.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Opens a page as a file; fails at the end if it reported an error, asked for anything or opened a dialog."""
    opened, wrong = [], []

    def open_file(shown: Visualization, **options: Any) -> Any:
        path = tmp_path / f"page{len(opened)}.html"
        shown.save(path)
        page = browser.new_page(viewport={"width": 1280, "height": 800}, **options)
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("console", lambda message: wrong.append(f"console: {message.text}"))
        page.on("dialog", lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: request.url == path.as_uri() or wrong.append(f"request: {request.url}"))
        page.goto(path.as_uri())
        page.wait_for_selector("body[data-ready]", state="attached", timeout=20_000)
        opened.append(page)
        return page

    yield open_file
    for page in opened:
        page.close()
    assert not wrong, wrong
