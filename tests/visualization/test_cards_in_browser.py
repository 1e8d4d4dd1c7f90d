"""What models and reports show in a notebook, in a real browser, under the rules that JupyterLab has for tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from shown_models import hostile_model, residual_model

import mltoolkit as mlt
from mltoolkit.digits import digit_images_path, digit_model_path
from mltoolkit.markup.colours import DARK, LIGHT, contrast

# The rules of JupyterLab 4's rendermime package that meet tables in outputs.
_JUPYTERLAB = """
.jp-RenderedHTMLCommon table { table-layout: fixed; margin-left: auto; margin-right: auto; margin-bottom: 1em; }
.jp-RenderedHTMLCommon td, .jp-RenderedHTMLCommon th, .jp-RenderedHTMLCommon tr { vertical-align: middle;
  padding: 0.5em; line-height: normal; white-space: normal; max-width: none; border: none; }
:not(.jp-RenderedMarkdown).jp-RenderedHTMLCommon td, :not(.jp-RenderedMarkdown).jp-RenderedHTMLCommon th,
:not(.jp-RenderedMarkdown).jp-RenderedHTMLCommon tr { text-align: right; }
.jp-RenderedHTMLCommon tbody tr:nth-child(odd) { background: white; }
.jp-RenderedHTMLCommon tbody tr:nth-child(even) { background: #f5f5f5; }
"""

ShowCards = Callable[..., Any]


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Iterator[ShowCards]:
    """Opens cards as a notebook's outputs; fails at the end if anything was executed or asked for."""
    pages, wrong = [], []

    def open_cards(*items: Any, theme: str = "", scheme: str = "light") -> Any:
        path = tmp_path / "cards.html"
        said = f"data-jp-theme-light='{str(theme == 'light').lower()}'" if theme else ""
        outputs = "".join(f"<div class='jp-RenderedHTMLCommon'>{item._repr_html_()}</div>" for item in items)
        path.write_text(
            f"<!doctype html><meta charset='utf-8'><style>{_JUPYTERLAB}</style><body {said}>{outputs}", encoding="utf-8"
        )
        page = browser.new_page(color_scheme=scheme)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: request.url.startswith(("file:", "data:")) or wrong.append(request.url))
        page.goto(path.as_uri())
        pages.append(page)
        return page

    yield open_cards
    for page in pages:
        page.close()
    assert not wrong, wrong


def style_of(page: Any, selector: str, name: str) -> str:
    return str(page.evaluate("([s, n]) => getComputedStyle(document.querySelector(s))[n]", [selector, name]))


def rgb(colour: str) -> str:
    return f"rgb({int(colour[1:3], 16)}, {int(colour[3:5], 16)}, {int(colour[5:7], 16)})"


def test_the_notebooks_rules_do_not_disturb_the_tables(show: ShowCards) -> None:
    page = show(mlt.quantize_weights(digit_model_path(), 4, "kmeans").quantization_report)
    assert style_of(page, ".mlt td", "textAlign") == "left"
    assert style_of(page, ".mlt td.n", "textAlign") == "right"
    assert style_of(page, ".mlt table", "tableLayout") == "auto"
    assert style_of(page, ".mlt tbody tr:nth-child(2)", "backgroundColor") == "rgba(0, 0, 0, 0)"


@pytest.mark.parametrize(
    ("theme", "scheme", "palette"),
    [("", "light", LIGHT), ("", "dark", DARK), ("light", "dark", LIGHT), ("dark", "light", DARK)],
)
def test_colours_follow_the_notebook_and_else_the_system(
    show: ShowCards, theme: str, scheme: str, palette: dict[str, str]
) -> None:
    page = show(mlt.load(digit_model_path()), theme=theme, scheme=scheme)
    ground, ink = style_of(page, ".mlt", "backgroundColor"), style_of(page, ".mlt td", "color")
    assert (ground, ink) == (rgb(palette["surface"]), rgb(palette["text"]))
    assert contrast(palette["surface"], palette["text"]) > 4.5


def test_bars_are_as_long_as_what_they_show(show: ShowCards) -> None:
    report = mlt.quantize_weights(digit_model_path(), 3, "kmeans").quantization_report
    page = show(report)
    bars = page.evaluate(
        """() => [...document.querySelectorAll('.mlt > table:nth-of-type(2) .t')].map(t =>
        [t.firstChild.getBoundingClientRect().width / t.getBoundingClientRect().width, t.nextSibling.textContent])"""
    )
    assert len(bars) == len(report.changed)
    for share, text in bars:
        # A full bar is 50 dB; widths are whole percents.
        assert share == pytest.approx(float(text.split()[0]) / 50, abs=0.011)


def test_pictures_with_different_answers_are_shown_with_both(show: ShowCards) -> None:
    original = mlt.load(digit_model_path())
    report = mlt.compare_models(
        original, mlt.quantize_weights(original, 1, "kmeans"), digit_images_path() / "8", progress=False
    )
    different = [row for row in report.inputs if row.agree is False]
    assert different, "one bit a weight changes some answers"
    page = show(report)
    shown = page.evaluate(
        """() => [...document.querySelectorAll('.mlt figure')].map(f =>
        [f.querySelector('img').naturalWidth, f.querySelector('img').alt, f.textContent])"""
    )
    assert len(shown) == min(len(different), 12)
    rows = {row.name: row for row in different}
    for width, name, text in shown:
        assert width > 28
        assert f"first: {rows[name].reference_label} (" in text and f"second: {rows[name].other_label} (" in text


def test_pictures_that_are_gone_are_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for file in sorted((digit_images_path() / "8").iterdir())[:20]:
        (folder / file.name).write_bytes(file.read_bytes())
    original = mlt.load(digit_model_path())
    report = mlt.compare_models(original, mlt.quantize_weights(original, 1, "kmeans"), folder, progress=False)
    assert "<img" in report._repr_html_()
    for file in folder.iterdir():
        file.unlink()
    assert "<img" not in report._repr_html_()


def test_hostile_models_execute_nothing(show: ShowCards) -> None:
    small = mlt.quantize_weights(hostile_model(), 4, "linear")
    page = show(small, small.quantization_report, residual_model())
    page.wait_for_timeout(100)
    assert page.title() != "taken"
    assert page.locator("script, img").count() == 0
    assert len(small._repr_html_()) < 30_000
