"""The page on two models: complete, self-contained, and harmless whatever names a model carries."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from core_ml_pipelines import RGB, add_picture, mixing
from headless_browser import browser_path
from PIL import Image

import mltoolkit as mlt
from mltoolkit.comparison import ComparisonPage, comparison_page
from mltoolkit.comparison.confusion import confusion_matrix
from mltoolkit.digits import digit_images_path, digit_model_path
from mltoolkit.errors import ArgumentError

pytest.importorskip("matplotlib")

HOSTILE = (
    "</title></style><script>document.title='pwned'</script><img src=x onerror=\"document.title='pwned'\">$\\frac{"
)


class Elements(HTMLParser):
    """Every element with its attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def check_harmless(page: str) -> Elements:
    elements = Elements(page)
    tags = {tag for tag, _ in elements.found}
    assert not tags & {"script", "iframe", "object", "embed", "link", "base", "form"}, tags
    for tag, attributes in elements.found:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name, value)
            if name in ("src", "href", "xlink:href"):
                assert (value or "").startswith(("data:image/", "#")), (tag, name, value)
    identifiers = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    return elements


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> ComparisonPage:
    model = mlt.load(digit_model_path())
    return comparison_page(model, mlt.quantize_weights(model, 2), digit_images_path(), max_worst=4, progress=False)


@pytest.fixture(scope="module")
def elements(page: ComparisonPage) -> Elements:
    return check_harmless(page.to_html())


def test_the_page_has_every_part(page: ComparisonPage, elements: Elements) -> None:
    sections = [attributes.get("id") for tag, attributes in elements.found if tag == "section"]
    assert sections == ["agreement", "classes", "pictures", "layers", "sizes"]
    links = [attributes.get("href") for tag, attributes in elements.found if tag == "a"]
    assert links == [f"#{name}" for name in sections]
    text = " ".join(elements.text)
    assert page.comparison.top1_interval is not None
    assert f"95 % interval {100 * page.comparison.top1_interval[0]:.1f} .. " in text
    for layer in page.layers.layers if page.layers else ():
        assert layer.name in text


def test_worst_pictures_come_with_both_answers(page: ComparisonPage, elements: Elements) -> None:
    pictures = [attributes for tag, attributes in elements.found if tag == "img"]
    assert [attributes["alt"] for attributes in pictures] == [picture.row.name for picture in page.pictures]
    assert len(pictures) == 4
    for picture in page.pictures:
        row = picture.row
        assert f"first: {row.reference_label} ({row.reference_score:.3f})" in elements.text
        assert f"second: {row.other_label} ({row.other_score:.3f})" in elements.text


def test_confusions_are_those_of_the_rows(page: ComparisonPage) -> None:
    rows = [row for row in page.comparison.inputs if row.agree is False]
    assert sum(item.count for item in page.disagreements) == len(rows) > 0
    first = page.disagreements[0]
    assert first.count == sum((row.reference_label, row.other_label) == (first.first, first.second) for row in rows)
    assert first.count == max(item.count for item in page.disagreements)
    assert first.example in {row.name for row in rows if row.reference_label == first.first}
    labels, counts = confusion_matrix(page.comparison, 20)
    assert labels == [str(digit) for digit in range(10)]
    assert sum(map(sum, counts)) == page.comparison.count
    assert sum(counts[place][place] for place in range(10)) == page.comparison.top1_agreements
    assert counts[labels.index(first.first)][labels.index(first.second)] == first.count
    assert confusion_matrix(page.comparison, 9) == ([], [])


def test_sizes_are_those_of_the_models(page: ComparisonPage) -> None:
    model = mlt.load(digit_model_path())
    small = mlt.quantize_weights(model, 2)
    assert (page.sizes.first_bytes, page.sizes.second_bytes) == (model.size, small.size)
    assert page.sizes.first_bytes == digit_model_path().stat().st_size
    for side, summary in (("first", model.summary()), ("second", small.summary())):
        assert page.sizes.total(side).bytes == summary.total.bytes
        assert page.sizes.total(side).parameters == summary.total.parameters
    convolution = next(layer for layer in page.sizes.layers if layer.layer == "conv2")
    assert convolution.first is not None and convolution.second is not None
    assert convolution.first.storage == "float32" and convolution.first.bits == 32
    assert "linear 2 bits" in convolution.second.storage
    # Two bits a weight, a scale and a bias of 32 bits for each output channel, and the layer's biases.
    assert 2 < convolution.second.bits < 4, convolution.second


def test_the_plot_takes_the_colours_of_the_page(elements: Elements, page: ComparisonPage) -> None:
    drawn = [attributes for tag, attributes in elements.found if tag == "path"]
    assert any("var(--accent)" in (attributes.get("style") or "") for attributes in drawn)
    assert not any("#1f5fd0" in (attributes.get("style") or "") for attributes in drawn)
    plots = [attributes for tag, attributes in elements.found if tag == "svg"]
    assert len(plots) == 1 and "The error starts at" in (plots[0]["aria-label"] or "")
    assert "prefers-color-scheme:dark" in page.to_html()


def test_saving_writes_the_figures_beside_the_page(page: ComparisonPage, tmp_path: Path) -> None:
    page.save(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page.to_html()
    figures = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert figures["comparison"]["top1_agreement"] == page.comparison.top1_agreement
    assert [layer["output"] for layer in figures["layers"]["layers"]] == [item.output for item in page.layers.layers]
    assert figures["sizes"]["layers"][0]["first"]["bits"] == 32
    with pytest.raises(ArgumentError, match=r"report\.html"):
        page.save(tmp_path / "report.pdf")
    with pytest.raises(ArgumentError, match="there is no folder"):
        page.save(tmp_path / "missing" / "report.html")


def hostile_classifier(pixel: float) -> Any:
    spec = mlt.load(digit_model_path()).get_spec()
    network = spec.neuralNetworkClassifier
    network.stringClassLabels.vector[3] = HOSTILE
    network.stringClassLabels.vector[7] = "\x1b[2J‮" + "A" * 100_000
    rename = {"conv2_out": HOSTILE, "relu2_out": "x" * 100_000, "conv1_out": "\x1b[31mred"}
    for layer in network.layers:
        layer.name = f"{HOSTILE} {layer.name}"
        for blobs in (layer.input, layer.output):
            for place, name in enumerate(blobs):
                blobs[place] = rename.get(name, name)
        if layer.WhichOneof("layer") == "convolution":
            layer.convolution.weights.floatValue[0] += pixel
    return spec


def test_hostile_names_execute_nothing(tmp_path: Path) -> None:
    a, b = (mlt.Model.from_spec(hostile_classifier(pixel), name=HOSTILE) for pixel in (0.0, 20.0))
    folder = tmp_path / "pictures"
    folder.mkdir()
    for place, path in enumerate(sorted(digit_images_path().glob("[37]/*.png"))[::10]):
        # Windows has no < in names.
        name = f"<svg onload=alert({place})>" if os.name == "posix" else f"&lt;svg onload=alert({place})&gt;"
        shutil.copy(path, folder / f"{name}.png")
    found = comparison_page(a, b, folder, progress=False)
    elements = check_harmless(found.to_html())
    text = " ".join(elements.text)
    assert "<script>document.title='pwned'</script>" in text  # shown as it is
    assert "\x1b" not in text and "‮" not in text
    assert len(found.to_html()) < 1_000_000
    found.save(tmp_path / "report.html")
    shown = subprocess.run(
        [
            *(
                browser_path(),
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--virtual-time-budget=2000",
                "--dump-dom",
            ),
            (tmp_path / "report.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    title = re.search(r"<title>(.*?)</title>", shown, re.DOTALL)
    assert title and title[1].startswith("&lt;/title&gt;&lt;/style&gt;&lt;script&gt;"), title
    assert shown.count("<section") == 5


def test_pictures_that_models_make_stand_side_by_side() -> None:
    specs = [mixing("mix", "image", "painted", seed) for seed in (1, 2)]
    for spec in specs:
        add_picture(spec.description.input, "image", RGB, 16)
        add_picture(spec.description.output, "painted", RGB, 16)
    a, b = (mlt.Model.from_spec(spec, name=name) for spec, name in zip(specs, "ab", strict=True))
    rng = np.random.default_rng(5)
    samples = [Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)) for _ in range(3)]
    found = comparison_page(a, b, iter(samples), progress=False)
    elements = check_harmless(found.to_html())
    assert found.comparison.top1_agreement is None and not found.disagreements
    alternatives = [attributes["alt"] for tag, attributes in elements.found if tag == "img"]
    rows = [picture.row.name for picture in found.pictures]
    assert alternatives == [text for name in rows for text in (name, "first model", "second model")]
    for picture in found.pictures:
        (_, first, second) = picture.made[0]
        assert first.startswith("data:image/jpeg;base64,") and first != second


def test_models_without_layers_say_so() -> None:
    spec = mlt.Model.from_spec(_scaler()).get_spec()
    model = mlt.Model.from_spec(spec, name="scaler")
    found = comparison_page(model, model, [{"x": np.zeros(2)}], progress=False)
    assert found.layers is None and found.no_layers
    assert found.to_dict()["layers_missing_because"] == found.no_layers
    assert "The layers were not compared" in found.to_html()


def _scaler() -> Any:
    from mltoolkit.formats.protobuf import new_model

    spec = new_model()
    spec.specificationVersion = 1
    for features, name in ((spec.description.input, "x"), (spec.description.output, "y")):
        array = features.add(name=name).type.multiArrayType
        array.shape.append(2)
        array.dataType = 65600
    spec.scaler.shiftValue.extend([1.0, 2.0])
    spec.scaler.scaleValue.extend([2.0, 3.0])
    return spec
