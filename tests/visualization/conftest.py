"""A browser for the pages: Chromium or Chrome, driven by Playwright."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from headless_browser import headless_browser

from mltoolkit.visualization import Visualization


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium; the test is skipped where there is none."""
    with headless_browser() as started:
        yield started


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
