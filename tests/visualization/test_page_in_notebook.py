"""The graph and the cards as a notebook lays them out: in a frame that grows, and in a cell that is narrow."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from shown_models import residual_model

import mltoolkit as mlt
from mltoolkit.digits import digit_images_path, digit_model_path
from mltoolkit.markup.colours import DARK, LIGHT
from mltoolkit.visualization import visualize


def rgb(colour: str) -> str:
    return f"rgb({int(colour[1:3], 16)}, {int(colour[3:5], 16)}, {int(colour[5:7], 16)})"


@pytest.fixture
def notebook_page(browser: Any) -> Iterator[Any]:
    # Playwright's own choice of light or dark would hold in frames whatever is around them.
    page = browser.new_page(viewport={"width": 900, "height": 800}, color_scheme="null")
    yield page
    page.close()


def test_the_graph_follows_the_theme_of_the_notebook(notebook_page: Any) -> None:
    notebook_page.set_content(f"<body>{visualize(residual_model())._repr_html_()}</body>")
    frame = notebook_page.frames[1]
    frame.wait_for_selector("body[data-ready]", state="attached")
    for said, palette in (("true", LIGHT), ("false", DARK), ("true", LIGHT)):
        notebook_page.evaluate("(said) => { document.body.dataset.jpThemeLight = said }", said)
        frame.wait_for_function(
            "(ground) => getComputedStyle(document.body).backgroundColor === ground",
            arg=rgb(palette["page"]),
            timeout=10_000,
        )


def test_the_graph_fits_a_frame_that_grows_until_it_is_moved(notebook_page: Any) -> None:
    html = visualize(residual_model())._repr_html_()
    notebook_page.set_content(f"<body><div id='cell' style='width:30px'>{html}</div></body>")
    frame = notebook_page.frames[1]
    frame.wait_for_selector("body[data-ready]", state="attached")
    widen = "(width) => { document.getElementById('cell').style.width = width }"
    middle = """() => {
        const graph = document.getElementById('world').getBoundingClientRect(),
            stage = document.getElementById('stage').getBoundingClientRect();
        return [graph.left + graph.width / 2, stage.left + stage.width / 2, graph.width];
    }"""
    notebook_page.evaluate(widen, "860px")
    frame.wait_for_function(
        "() => innerWidth > 800 && document.getElementById('world').getBoundingClientRect().left > 0"
    )
    graph, stage, width = frame.evaluate(middle)
    # Labels of lines stand out at the sides.
    assert abs(graph - stage) < 0.1 * width, (graph, stage, width)
    frame.locator("#in").click()
    zoomed = frame.locator("#percent").text_content()
    notebook_page.evaluate(widen, "700px")
    frame.wait_for_function("() => innerWidth < 720")
    assert frame.locator("#percent").text_content() == zoomed, "what the reader chose stays"


def test_without_its_frame_the_graph_says_how_to_see_it() -> None:
    # What JupyterLab leaves of an output that is not trusted: the texts.
    model = mlt.load(digit_model_path())
    model.name = "</iframe><script>document.title = 'taken'</script>"
    html = visualize(model)._repr_html_()
    assert html.count("<iframe") == html.count("</iframe>") == 1 and "<script" not in html
    assert (
        Texts(html.split("</style>")[1]).texts[-1].endswith("is shown when this cell is run, or the notebook trusted.")
    )


def test_cells_of_a_calibrated_report_break_no_words(notebook_page: Any) -> None:
    report = mlt.quantize_calibrated(digit_model_path(), digit_images_path(), nbits=2, limit=20).quantization_report
    notebook_page.set_content(f"<body>{report._repr_html_()}</body>")
    found = notebook_page.evaluate(
        """() => [...document.querySelectorAll('.mlt > table:nth-of-type(2) tbody tr')].map(row =>
        [row.textContent, row.getBoundingClientRect().height])"""
    )
    assert len(found) == len(report.changed)
    # One line of 12 pixels with what is around it.
    assert all(height < 26 for _, height in found), found
    card = notebook_page.evaluate(
        "() => { const card = document.querySelector('.mlt'); return card.scrollWidth - card.clientWidth }"
    )
    assert card == 0


class Texts(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.feed(html)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_calibrated_report_shows_what_was_tried() -> None:
    report = mlt.quantize_calibrated(
        digit_model_path(), digit_images_path(), max_bytes=9_500, limit=20
    ).quantization_report
    texts = Texts(report._repr_html_()).texts
    for point in report.curve:
        assert point.name in texts and f"{point.bits_per_weight:.2f}" in texts
        assert f"{100 * point.agreement:.1f} %" in texts
    assert texts.count("this model") == 1
    assert any(text.startswith("Warning: 20 samples are few") for text in texts), texts
    assert repr(report).startswith("<CalibratedQuantizationReport calibrated kmeans, ")
