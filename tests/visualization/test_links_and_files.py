"""The address of a layer, which opens it again, and the graph as an SVG file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from shown_models import EVIL, chain_model, dense, hostile_model, network_spec, relu, residual_model
from test_functions_shown import three_functions

from mltoolkit import visualize
from mltoolkit.markup.colours import DARK, LIGHT
from mltoolkit.model import Model

OpenPage = Callable[..., Any]

_SVG = "{http://www.w3.org/2000/svg}"


def chosen_layer(page: Any) -> str:
    return str(page.evaluate("() => document.querySelector('.node[aria-pressed=true]')?.id ?? ''"))


def test_the_address_names_the_layer_and_opens_it_again(open_page: OpenPage) -> None:
    page = open_page(visualize(chain_model(60)))
    assert "#" not in page.url
    page.fill("#search", "relu 57")
    page.press("#search", "Enter")
    assert page.url.endswith("#relu%2057")
    page.reload()
    page.wait_for_selector("body[data-ready]", state="attached")
    assert page.inner_text("#panel h2") == "relu 57"
    stage, box = page.locator("#stage").bounding_box(), page.locator(".node[data-name='relu 57']").bounding_box()
    assert stage["y"] < box["y"] and box["y"] + box["height"] < stage["y"] + stage["height"]
    page.evaluate("() => { location.hash = '#dense%200' }")
    page.wait_for_selector("#panel-title:text-is('dense 0')")
    page.evaluate("() => { location.hash = '#no%20such%E0%A4%A' }")
    page.wait_for_timeout(50)
    assert page.inner_text("#panel h2") == "dense 0"
    page.click("#panel .close")
    assert "#" not in page.url


def test_layers_of_one_name_have_addresses_of_their_own(tmp_path: Path, open_page: OpenPage) -> None:
    spec = network_spec()
    dense(spec.neuralNetwork.layers, "a~2", "x", "h")
    for made in ("i", "j", "y"):
        relu(spec.neuralNetwork.layers, "a", "h", made)
    for model in (Model.from_spec(spec), three_functions(tmp_path)[0]):
        page = open_page(visualize(model))
        found = []
        for index in range(page.locator(".node").count()):
            page.evaluate(
                "(i) => document.getElementById('n' + i).dispatchEvent(new MouseEvent('click', {bubbles: true}))", index
            )
            found.append(page.url.partition("#")[2])
        assert len(set(found)) == len(found), found
        for index, address in enumerate(found):
            page.evaluate("(a) => { location.hash = '#' + a }", address)
            page.wait_for_function(
                "(id) => document.querySelector('.node[aria-pressed=true]')?.id === id", arg=f"n{index}"
            )
    # The last model's: a function's layer has the function's name before its own.
    assert "double_plus/doubled" in found and {"own/y", "own/y~2"} <= set(found)


def test_many_layers_of_one_name_open_quickly(open_page: OpenPage) -> None:
    spec = network_spec()
    for index in range(5000):
        relu(
            spec.neuralNetwork.layers,
            "same",
            "x" if not index else f"v{index - 1}",
            f"v{index}" if index < 4999 else "y",
        )
    page = open_page(visualize(Model.from_spec(spec)))
    assert page.locator(".node.layer").count() == 5000


def saved(page: Any) -> tuple[ElementTree.Element, str]:
    with page.expect_download() as download:
        page.click("#save")
    text = Path(download.value.path()).read_text(encoding="utf-8")
    return ElementTree.fromstring(text), text


def test_the_saved_graph_has_every_layer_and_label(open_page: OpenPage) -> None:
    page = open_page(visualize(chain_model(200)), color_scheme="light")
    texts = Counter(page.evaluate("() => [...document.querySelectorAll('#world text')].map(t => t.textContent)"))
    # Seen from afar, where the page leaves labels out.
    page.click("#all")
    before = page.get_attribute("#world", "transform")
    root, text = saved(page)
    assert page.get_attribute("#world", "transform") == before
    assert page.evaluate("() => document.getElementById('stage').className") == "far farther"
    assert Counter(item.text for item in root.iter(f"{_SVG}text")) == texts
    assert "var(" not in text and "context-stroke" not in text and "class=" not in text
    left, top, width, height = map(float, root.attrib["viewBox"].split())
    for box in root.iter(f"{_SVG}g"):
        moved = re.fullmatch(r"translate\(([\d.]+) ([\d.]+)\)", box.attrib.get("transform", ""))
        if moved:
            assert left <= float(moved[1]) <= left + width and top <= float(moved[2]) <= top + height
    names = [item for item in root.iter(f"{_SVG}text") if item.text == "dense 0"]
    colour = tuple(int(LIGHT["text"][start : start + 2], 16) for start in (1, 3, 5))
    assert names[0].attrib["fill"] == f"rgb{colour}" and names[0].attrib["font-weight"] == "600"


def test_the_saved_graph_can_be_seen_by_itself(browser: Any, open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(visualize(residual_model()), color_scheme="dark")
    with page.expect_download() as download:
        page.click("#save")
    assert download.value.suggested_filename == "residual.mlmodel.svg"
    path = tmp_path / "graph.svg"
    download.value.save_as(path)
    alone = browser.new_page(viewport={"width": 600, "height": 900}, color_scheme="light")
    alone.goto(path.as_uri())
    sizes = alone.evaluate(
        """() => { const all = document.documentElement.getBoundingClientRect();
        return [...document.querySelectorAll('text')].map(t => t.getBoundingClientRect()).map(r =>
        r.width > 0 && r.left >= all.left && r.right <= all.right && r.top >= all.top && r.bottom <= all.bottom); }"""
    )
    assert len(sizes) > 20 and all(sizes)
    ground = alone.evaluate("() => getComputedStyle(document.querySelector('svg > rect')).fill")
    # It keeps the colours in which it was seen.
    assert ground == f"rgb({', '.join(str(int(DARK['page'][start : start + 2], 16)) for start in (1, 3, 5))})"
    alone.close()


def test_a_hostile_models_file_and_address_are_only_text(open_page: OpenPage, browser: Any, tmp_path: Path) -> None:
    page = open_page(visualize(hostile_model()))
    page.click(".node.layer >> nth=0")
    assert "<" not in page.url and "%3C%2Fscript%3E" in page.url
    with page.expect_download() as download:
        page.click("#save")
    assert re.fullmatch(r"[\w.-]+\.svg", download.value.suggested_filename), download.value.suggested_filename
    path = tmp_path / "evil.svg"
    download.value.save_as(path)
    root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    assert {item.tag.removeprefix(_SVG) for item in root.iter()} <= {
        "svg",
        "title",
        "defs",
        "marker",
        "path",
        "g",
        "rect",
        "text",
    }
    assert any((item.text or "").startswith(EVIL[:10]) for item in root.iter(f"{_SVG}title"))
    alone = browser.new_page()
    alone.goto(path.as_uri())
    assert alone.title() != "taken"
    alone.close()


def test_in_a_notebook_nothing_can_be_saved(browser: Any) -> None:
    page = browser.new_page()
    page.set_content(f"<body>{visualize(residual_model())._repr_html_()}</body>")
    frame = page.frames[1]
    frame.wait_for_selector("body[data-ready]", state="attached")
    assert not frame.locator("#save").is_visible()
    frame.locator(".node.layer").first.click()
    assert frame.locator("#panel .close").count() == 1
    page.close()
