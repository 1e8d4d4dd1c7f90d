"""The pages and cards under axe-core's rules for WCAG 2.0 and 2.1, levels A and AA, in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from shown_models import branching_model, chain_model, residual_model
from test_functions_shown import three_functions
from test_layer_graphs import looping

import mltoolkit as mlt
from mltoolkit.digits import digit_images_path, digit_model_path
from mltoolkit.model import Model
from mltoolkit.visualization import Visualization, visualize

axe_playwright = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="needs axe-core: pip install axe-playwright-python"
)

_RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}

OpenHtml = Callable[[str, str], Any]
SCHEMES = ("light", "dark")


def violations(page: Any) -> str:
    """What axe-core finds wrong; "" if nothing."""
    results = axe_playwright.Axe().run(page, options=_RULES)
    applied = {rule["id"] for rule in results.response["passes"]} | {
        rule["id"] for rule in results.response["violations"]
    }
    # It did look, and at colours too.
    assert {"color-contrast", "document-title", "html-has-lang"} <= applied, applied
    return str(results.generate_report()) if results.violations_count else ""


@pytest.fixture
def open_html(browser: Any, tmp_path: Path) -> Iterator[OpenHtml]:
    """Opens a document in light or dark. For this test alone its policy lets axe-core's script in."""
    contexts = []

    def open_document(html: str, scheme: str) -> Any:
        path = tmp_path / "document.html"
        path.write_text(html, encoding="utf-8")
        context = browser.new_context(color_scheme=scheme, bypass_csp=True, viewport={"width": 1280, "height": 800})
        contexts.append(context)
        page = context.new_page()
        page.goto(path.as_uri())
        return page

    yield open_document
    for context in contexts:
        context.close()


def open_graph(open_html: OpenHtml, shown: Visualization, scheme: str) -> Any:
    page = open_html(shown.html, scheme)
    page.wait_for_selector("body[data-ready]", state="attached")
    return page


def digits_before_and_after() -> tuple[Model, Model]:
    original = mlt.load(digit_model_path())
    return original, mlt.quantize_weights(original, 2, "kmeans")


def test_axe_finds_what_is_wrong(open_html: OpenHtml) -> None:
    page = open_graph(open_html, visualize(residual_model()), "light")
    page.evaluate("() => { const e = document.getElementById('out'); e.textContent = ''; e.ariaLabel = null }")
    page.evaluate("() => { document.querySelector('#panel h3').style.color = '#ccc' }")
    found = violations(page)
    assert "button-name" in found and "color-contrast" in found, found


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    "make",
    [
        branching_model,
        lambda: Model(looping(), name="loop"),
        lambda: chain_model(80),
        lambda: Model.from_spec(mlt.load(digit_model_path()).spec),
    ],
    ids=["branch", "while_loop", "chain", "classifier"],
)
def test_graphs(open_html: OpenHtml, make: Callable[[], Model], scheme: str) -> None:
    page = open_graph(open_html, visualize(make()), scheme)
    assert violations(page) == ""
    page.evaluate("() => document.querySelector('.node.layer').dispatchEvent(new MouseEvent('click', {bubbles: true}))")
    assert page.locator("#panel .close").count() == 1
    assert violations(page) == ""


@pytest.mark.parametrize("scheme", SCHEMES)
def test_functions(open_html: OpenHtml, tmp_path: Path, scheme: str) -> None:
    page = open_graph(open_html, visualize(three_functions(tmp_path)[0]), scheme)
    assert violations(page) == ""


@pytest.mark.parametrize("scheme", SCHEMES)
def test_real_models(open_html: OpenHtml, shared_data: Path, scheme: str) -> None:
    for name in (
        "UpdatableDrawingClassifier.mlmodel",  # a pipeline
        "NeuralMcNeuralNet_custom_swish.mlmodel",  # a custom layer without its class
        "basic_pitch_nmp.mlpackage",
    ):
        page = open_graph(open_html, visualize(shared_data / "coreml" / name), scheme)
        assert violations(page) == "", name


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_layer_with_both_histograms_and_open_search_results(open_html: OpenHtml, scheme: str) -> None:
    original, small = digits_before_and_after()
    page = open_graph(open_html, visualize(small, compared_with=original), scheme)
    assert violations(page) == ""
    page.click(".node.f-convolution")
    assert page.locator("#panel .histogram .before").count() > 0
    assert violations(page) == ""
    page.fill("#search", "conv")
    page.press("#search", "ArrowDown")
    assert page.locator("#found li[aria-selected]").count() == 1
    assert violations(page) == ""
    page.fill("#search", "no such layer")
    assert violations(page) == ""


def test_search_results_that_scroll(open_html: OpenHtml) -> None:
    page = open_graph(open_html, visualize(chain_model(200)), "light")
    page.fill("#search", "relu")
    assert page.evaluate("() => { const f = document.getElementById('found'); return f.scrollHeight > f.clientHeight }")
    assert violations(page) == ""


@pytest.mark.parametrize("size", [(600, 800), (650, 425)])
def test_small_windows(open_html: OpenHtml, size: tuple[int, int]) -> None:
    page = open_graph(open_html, visualize(digit_model_path()), "light")
    page.set_viewport_size({"width": size[0], "height": size[1]})
    assert violations(page) == ""


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_comparison_page(open_html: OpenHtml, scheme: str) -> None:
    original, small = digits_before_and_after()
    compared = mlt.comparison_page(original, small, digit_images_path() / "8", progress=False)
    assert violations(open_html(compared.to_html(), scheme)) == ""


@pytest.mark.parametrize("theme", ["", "light", "dark"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_cards_in_a_notebook(open_html: OpenHtml, scheme: str, theme: str) -> None:
    original, small = digits_before_and_after()
    report = mlt.compare_models(original, small, digit_images_path() / "8", progress=False)
    said = f"data-jp-theme-light='{str(theme == 'light').lower()}'" if theme else ""
    cards = "".join(item._repr_html_() for item in (original, small, small.quantization_report, report))
    page = open_html(f"<!doctype html><html lang=en><title>notebook</title><body {said}>{cards}", scheme)
    # As wide as a cell beside an open file browser: tables that do not fit there scroll.
    for width in (1280, 420):
        page.set_viewport_size({"width": width, "height": 800})
        assert violations(page) == ""
    page.evaluate("() => document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert violations(page) == ""
