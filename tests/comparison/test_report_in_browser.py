"""The comparison page in a browser: what a reader sees, in light and dark, with the keyboard alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from headless_browser import headless_browser

import mltoolkit as mlt
from mltoolkit.comparison import ComparisonPage
from mltoolkit.digits import digit_images_path, digit_model_path
from mltoolkit.markup.colours import LIGHT, contrast

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> tuple[ComparisonPage, Path]:
    model = mlt.load(digit_model_path())
    folder = tmp_path_factory.mktemp("page")
    pictures = folder / "pictures"
    shutil.copytree(digit_images_path() / "8", pictures)
    (pictures / "broken.png").write_bytes(b"no picture")
    page = mlt.comparison_page(model, mlt.quantize_weights(model, 2), pictures, progress=False)
    page.save(folder / "report.html")
    return page, folder / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with headless_browser() as started:
        yield started


@pytest.fixture
def open_report(browser: Any, page_file: tuple[ComparisonPage, Path]) -> Iterator[Any]:
    """Opens the page; fails at the end if the browser complained or the page asked for anything."""
    opened, wrong = [], []

    def open_page(**options: Any) -> Any:
        shown = browser.new_page(viewport={"width": 1200, "height": 800}, **options)
        shown.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        shown.on("console", lambda message: wrong.append(f"console: {message.text}"))
        address = page_file[1].as_uri()
        shown.on("request", lambda request: request.url.startswith((address, "data:")) or wrong.append(request.url))
        shown.goto(address)
        opened.append(shown)
        return shown

    yield open_page
    for shown in opened:
        shown.close()
    assert not wrong, wrong


def test_every_layer_has_a_row(open_report: Any, page_file: tuple[ComparisonPage, Path]) -> None:
    shown, layers = open_report(), page_file[0].layers
    assert layers is not None
    rows = shown.locator("#layers table tbody tr")
    assert rows.count() == len(layers.layers)
    for place, layer in enumerate(layers.layers):
        cells = rows.nth(place).locator("td").all_inner_texts()
        assert cells[0] == layer.name
        assert cells[2] == "×".join(map(str, layer.shape or ()))
    assert shown.locator("#layers svg[role=img]").bounding_box()["width"] > 600
    assert shown.locator("#unreadable td").first.inner_text() == "broken.png"


def test_pictures_are_shown(open_report: Any, page_file: tuple[ComparisonPage, Path]) -> None:
    shown = open_report()
    sizes = shown.eval_on_selector_all("#pictures img", "all => all.map(image => image.naturalWidth)")
    assert len(sizes) == len(page_file[0].pictures) > 0
    assert all(size > 0 for size in sizes)


def test_the_rules_of_the_page_win_over_those_of_its_pieces(open_report: Any) -> None:
    shown = open_report()
    style = "(element, name) => getComputedStyle(element)[name]"
    bar = shown.locator("#classes td:has(.t)").first
    assert bar.evaluate(style, "whiteSpace") == "nowrap"
    hit, other = (shown.locator(f"#classes td.n{kind}").first for kind in (".hit", ":not(.hit)"))
    assert hit.evaluate(style, "backgroundColor") != other.evaluate(style, "backgroundColor")
    assert hexadecimal(shown.locator("#layers p.said").evaluate(style, "color")) == LIGHT["text"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(open_report: Any, scheme: str) -> None:
    shown = open_report(color_scheme=scheme)
    style = "(element, name) => getComputedStyle(element)[name]"
    ground = hexadecimal(shown.locator("#layers").evaluate(style, "backgroundColor"))
    assert (contrast(ground, "#ffffff") < 1.5) == (scheme == "light"), ground
    for selector, name in (
        ("#layers td", "color"),
        ("#layers th", "color"),
        ("#layers p.said", "color"),
        ("#layers svg text", "fill"),
        ("#layers .bad:not(i)", "color"),
    ):
        colour = hexadecimal(shown.locator(selector).first.evaluate(style, name))
        # WCAG 2.2, success criterion 1.4.3.
        assert contrast(colour, ground) >= 4.5, (selector, colour, ground)


def test_the_keyboard_reaches_every_part(open_report: Any) -> None:
    shown = open_report()
    names = []
    for _ in range(shown.locator("nav a").count()):
        shown.keyboard.press("Tab")
        names.append(shown.evaluate("document.activeElement.getAttribute('href')"))
    assert names == ["#agreement", "#classes", "#pictures", "#layers", "#sizes", "#unreadable"]
    shown.keyboard.press("Enter")
    assert shown.url.endswith("#unreadable")
    assert shown.locator("#unreadable").bounding_box()["y"] < 800


def test_nothing_is_cut_off_on_a_narrow_screen(open_report: Any) -> None:
    shown = open_report()
    shown.set_viewport_size({"width": 420, "height": 800})
    # Wide tables scroll inside their part.
    assert shown.evaluate("document.documentElement.scrollWidth") <= 420


def hexadecimal(colour: str) -> str:
    """``#1b1f27`` of the ``rgb(27, 31, 39)`` that browsers compute."""
    numbers = [int(float(part)) for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    return "#" + "".join(f"{number:02x}" for number in numbers)
