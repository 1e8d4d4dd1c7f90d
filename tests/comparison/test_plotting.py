"""Plots as files and as elements of a page."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import mltoolkit as mlt
from mltoolkit.comparison import LayerReport
from mltoolkit.comparison.layer_plot import draw_layers
from mltoolkit.comparison.plotting import new_plot, page_svg
from mltoolkit.digits import digit_images_path, digit_model_path
from mltoolkit.errors import ArgumentError, ModelFileError

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def report() -> LayerReport:
    model = mlt.load(digit_model_path())
    return mlt.compare_layers(model, mlt.quantize_weights(model, 4), digit_images_path(), max_samples=2)


@pytest.mark.parametrize(("suffix", "magic"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".PDF", b"%PDF")])
def test_the_suffix_says_the_kind(report: LayerReport, tmp_path: Path, suffix: str, magic: bytes) -> None:
    path = tmp_path / f"layers{suffix}"
    report.plot(path)
    first = path.read_bytes()
    assert first.startswith(magic)
    report.plot(path)
    assert path.read_bytes() == first, "the same plot is the same file"


def test_svg_says_names_as_text(report: LayerReport, tmp_path: Path) -> None:
    report.plot(tmp_path / "layers.svg")
    text = " ".join(ElementTree.parse(tmp_path / "layers.svg").getroot().itertext())
    for layer in report.layers:
        assert layer.name in text


def test_both_ratios_are_drawn_and_labels_lie_outside(report: LayerReport) -> None:
    with draw_layers(report) as figure:
        (axes,) = figure.axes
        lines = {str(line.get_label()): line for line in axes.get_lines()}
        accumulated, isolated = (np.asarray(lines[name].get_ydata(), float) for name in ("accumulated", "isolated"))
        top = max(isolated)
        for layer, first, second in zip(report.layers, accumulated, isolated, strict=True):
            assert layer.isolated_snr_db is not None
            # From 100 dB up, on the line at the top.
            assert first == pytest.approx(layer.snr_db if layer.snr_db < 100 else top)
            assert second == pytest.approx(layer.isolated_snr_db if layer.isolated_snr_db < 100 else top)
        assert top > max(layer.snr_db for layer in report.layers if layer.snr_db < 100)
        assert not axes.texts and axes.get_legend() is None
        assert report.starts_at is not None and report.worst_isolated is not None
        marked = {f"error starts: {report.starts_at.name}", f"worst in itself: {report.worst_isolated.name}"}
        assert marked <= set(lines) or f"error starts, worst in itself: {report.starts_at.name}" in lines
        figure.canvas.draw()
        (legend,) = figure.legends
        assert legend.get_window_extent().y0 >= axes.get_window_extent().y1


def test_wrong_names_of_files(report: LayerReport, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"\.png \.svg \.pdf"):
        report.plot(tmp_path / "layers.gif")
    with pytest.raises(ModelFileError, match="cannot be written"):
        report.plot(tmp_path / "missing" / "layers.png")


def test_two_plots_on_a_page_share_no_identifier() -> None:
    pages = []
    for name in ("one", "two"):
        with new_plot("a test", 2, 2) as (figure, axes):
            axes.plot([0, 1], [0, 1], label="$\\frac{")
            axes.legend()
            pages.append(ElementTree.fromstring(page_svg(figure, name, "a line\x1b")))
    found = [{element.attrib["id"] for element in page.iter() if "id" in element.attrib} for page in pages]
    assert found[0] and not found[0] & found[1]
    for page, known in zip(pages, found, strict=True):
        used = [value for element in page.iter() for key, value in element.attrib.items() if key.endswith("href")]
        assert used and {value.removeprefix("#") for value in used} <= known
        assert page.attrib["aria-label"] == "a line\\x1b"
        assert "$\\frac{" in " ".join(page.itertext())
