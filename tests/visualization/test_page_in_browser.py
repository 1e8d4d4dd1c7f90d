"""The page in a real browser: everything is drawn once, can be found and opened, and nothing else happens."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shown_models import EVIL, branching_model, chain_model, hostile_model, hostile_program, residual_model, wide_model

from mltoolkit import load, quantize_weights, visualize
from mltoolkit.formats.features import ArrayFeature, ImageFeature
from mltoolkit.formats.networks import iter_layers, network_of
from mltoolkit.markup.colours import contrast
from mltoolkit.model import Model

OpenPage = Callable[..., Any]

_NODES = """() => [...document.querySelectorAll('.node')].map(n => ({
  name: n.dataset.name, kind: n.classList[1], type: n.dataset.type, id: n.id, label: n.getAttribute('aria-label')}))"""
_EDGES = """() => [...document.querySelectorAll('.edge')].map(e => ({
  from: document.getElementById('n' + e.dataset.from).dataset.name,
  to: document.getElementById('n' + e.dataset.to).dataset.name,
  value: e.dataset.value, shape: e.dataset.shape, text: e.querySelector('text')?.textContent ?? ''}))"""


def drawn_layers(page: Any) -> list[str]:
    return [node["name"] for node in page.evaluate(_NODES) if node["kind"] == "layer"]


def run_with_noise(model: Model) -> dict[str, np.ndarray]:
    """The values that the runtime really makes, by the file's names."""
    rng = np.random.default_rng(5)
    data: dict[str, Any] = {}
    for feature in model.inputs:
        if isinstance(feature, ImageFeature):
            shape = (feature.height, feature.width, 3)[: 3 if feature.channels == 3 else 2]
            data[feature.name] = rng.integers(0, 256, shape, dtype=np.uint8)
        elif isinstance(feature, ArrayFeature):
            data[feature.name] = rng.normal(size=feature.shape).astype(feature.dtype)
    graph = model.graph()
    # What passes have fused or folded is no value of the runtime any more.
    left = {value.name for node in graph.model.graph for value in node.outputs}
    taps = {blob.name: blob.value for layer in graph.layers for blob in layer.outputs if blob.value in left}
    raw = model.predict_raw(data, taps=sorted(set(taps.values())))
    given = {name: array for name, array in data.items() if array.dtype != np.uint8}
    return given | {name: raw[value] for name, value in taps.items()}


@pytest.mark.parametrize(
    "file",
    ["SqueezeNetInt8LUT.mlmodel", "DeepLabV3Int8LUT.mlmodel", "activity_lstm_mariozusag.mlmodel", "FNS-Candy.mlmodel"],
)
def test_a_network_has_every_layer_and_every_edge_once(shared_data: Path, open_page: OpenPage, file: str) -> None:
    model = load(shared_data / "coreml" / file)
    page = open_page(visualize(model))
    layers = [layer for _, layer in iter_layers(model.spec)]
    assert Counter(drawn_layers(page)) == Counter(layer.name for layer in layers)
    # Told from the file alone: each blob comes from the last layer before that made it, or from an input.
    makers = {feature.name: feature.name for feature in model.inputs}
    expected = []
    for layer in layers:
        expected += [(makers[name], layer.name, name) for name in dict.fromkeys(layer.input)]
        makers.update(dict.fromkeys(layer.output, layer.name))
    edges = page.evaluate(_EDGES)
    outputs = {feature.name for feature in model.outputs}
    between = [(edge["from"], edge["to"], edge["value"]) for edge in edges if edge["to"] not in outputs]
    assert Counter(between) == Counter(expected)
    assert {edge["to"] for edge in edges} >= outputs


@pytest.mark.parametrize(
    "file", ["SqueezeNetInt8LUT.mlmodel", "activity_lstm_mariozusag.mlmodel", "basic_pitch_nmp.mlpackage"]
)
def test_shapes_on_the_edges_are_those_of_the_runtime(shared_data: Path, open_page: OpenPage, file: str) -> None:
    model = load(shared_data / "coreml" / file)
    values = run_with_noise(model)
    edges = open_page(visualize(model)).evaluate(_EDGES)
    compared = 0
    for edge in edges:
        assert edge["text"] == edge["shape"]
        if edge["value"] in values:
            compared += 1
            assert edge["shape"] == ("×".join(map(str, values[edge["value"]].shape)) or "scalar"), edge
    assert compared > 0.75 * len(edges), f"{compared} of {len(edges)}"


def test_a_program_has_every_operation_once_and_what_it_reads(shared_data: Path, open_page: OpenPage) -> None:
    model = load(shared_data / "coreml" / "basic_pitch_nmp.mlpackage")
    page = open_page(visualize(model))
    layers = model.summary().layers
    assert Counter(drawn_layers(page)) == Counter(layer.name for layer in layers)
    makers = {feature.name: feature.name for feature in model.inputs}
    makers.update({name: layer.name for layer in layers for name in layer.outputs})
    expected = {(makers[name], layer.name, name) for layer in layers for name in layer.inputs}
    ends = {node["id"] for node in page.evaluate(_NODES) if node["kind"] == "output"}
    edges = page.evaluate(_EDGES)
    found = [(edge["from"], edge["to"], edge["value"]) for edge in edges]
    assert expected <= set(found)
    assert len(found) == len(expected) + len(ends)


def test_stages_branches_and_loops_hold_their_layers(shared_data: Path, open_page: OpenPage) -> None:
    model = load(shared_data / "coreml" / "UpdatableDrawingClassifier.mlmodel")
    page = open_page(visualize(model))
    nodes = page.evaluate(_NODES)
    assert [node["name"] for node in nodes if node["kind"] == "stage"] == list(model.stages)
    first = next(iter(model.stages.values()))
    names = [layer.name for layer in network_of(first.spec).layers]
    assert Counter(drawn_layers(page)) == Counter([*names, "kNearestNeighborsClassifier"])
    inside = open_page(visualize(branching_model()))
    assert Counter(drawn_layers(inside)) == Counter(
        ["first", "peak", "choose", "rectify", "turn", "rectify too", "repeat", "grow", "last"]
    )
    titles = inside.evaluate("() => [...document.querySelectorAll('.frame text')].map(t => t.textContent)")
    assert titles == ["if", "else", "body"]


def test_a_click_shows_parameters_weights_and_neighbours(open_page: OpenPage) -> None:
    original = residual_model()
    small = quantize_weights(original, 4, "kmeans")
    page = open_page(visualize(small, compared_with=original))
    assert "residual.mlmodel" in page.inner_text("#panel")
    page.click(".node[data-name='dense 1']")
    text = page.inner_text("#panel")
    record = next(
        item for item in small.quantization_report.records if (item.layer, item.weight) == ("dense 1", "weights")
    )
    for expected in ("dense 1", "inputChannels", "8×8", "lookup table 4 bits", f"{record.sqnr_db:.1f} dB", "sum 0"):
        assert expected in text, expected
    assert page.locator("#panel .histogram").count() == 2
    assert page.locator("#panel .histogram .before").count() == 2
    # What was chosen is marked, also for those who cannot see it.
    assert page.locator(".node[aria-pressed=true]").count() == 1
    page.click("#panel .link >> text=sum 0")
    assert page.inner_text("#panel h2") == "sum 0"
    page.click("#panel .close")
    assert page.locator(".node[aria-pressed=true]").count() == 0


def test_a_press_with_a_move_is_no_click(open_page: OpenPage) -> None:
    page = open_page(visualize(residual_model()))
    before = page.get_attribute("#world", "transform")
    box = page.locator(".node[data-name='dense 0']").bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 120, box["y"] + 90, steps=4)
    page.mouse.up()
    assert page.get_attribute("#world", "transform") != before
    assert page.locator(".node[aria-pressed=true]").count() == 0


def test_zoom_by_wheel_button_and_key(open_page: OpenPage) -> None:
    page = open_page(visualize(chain_model(40)))
    percent = lambda: int(page.inner_text("#percent").split()[0])  # noqa: E731
    start = percent()
    page.click("#in")
    assert percent() > start
    page.keyboard.press("-")
    assert abs(percent() - start) <= 1
    page.keyboard.press("0")
    assert percent() == 100
    page.mouse.move(400, 400)
    page.keyboard.down("Control")
    page.mouse.wheel(0, 200)
    page.keyboard.up("Control")
    assert percent() < 100
    page.keyboard.press("f")
    box = page.locator("#stage").bounding_box()
    drawn = page.locator("#world").bounding_box()
    assert drawn["y"] >= box["y"] and drawn["y"] + drawn["height"] <= box["y"] + box["height"]


def test_search_finds_by_name_type_and_class(shared_data: Path, open_page: OpenPage) -> None:
    model = load(shared_data / "coreml" / "NeuralMcNeuralNet_custom_swish.mlmodel")
    page = open_page(visualize(model))
    for words, expected in (("Swish", ["swish_1"]), ("innerproduct", ["dense_1"]), ("conv2d 1", ["conv2d_1"])):
        page.fill("#search", words)
        hits = page.evaluate("() => [...document.querySelectorAll('.node.hit')].map(n => n.dataset.name)")
        assert hits == expected
        assert page.inner_text("#count") == f"1 of {page.locator('.node').count()}"
    page.fill("#search", "swish")
    page.press("#search", "Enter")
    assert page.inner_text("#panel h2") == "swish_1"
    for expected in ("class", "Swish", "beta", "Its code does not come with the model."):
        assert expected in page.inner_text("#panel")
    page.fill("#search", "no such layer")
    assert page.inner_text("#count").startswith("0 of")
    page.press("#search", "Escape")
    assert page.locator(".node.hit").count() == 0


@pytest.mark.parametrize("width", [1280, 900, 600])
def test_search_results_say_what_each_layer_is(open_page: OpenPage, width: int) -> None:
    page = open_page(visualize(chain_model(300)))
    page.set_viewport_size({"width": width, "height": 800})
    page.fill("#search", "relu 1")
    cut = page.evaluate(
        """() => [...document.querySelectorAll('#found li span')].filter(s => !s.offsetWidth ||
        s.scrollWidth > s.clientWidth + 1 && s.clientWidth || s.closest('li').scrollWidth > s.closest('li').clientWidth)
        .map(s => s.textContent)"""
    )
    assert cut == []
    assert page.locator("#found li").first.inner_text() == "relu 1\nactivation · ReLU"
    # Seen from afar, where boxes have no names, the others fade.
    page.keyboard.press("Escape")
    page.click("#all")
    page.fill("#search", "relu 299")
    faded = page.evaluate(
        """() => [...document.querySelectorAll('.node')].map(n => [n.dataset.name,
        Number(getComputedStyle(n.querySelector('.box')).opacity)])"""
    )
    assert [name for name, opacity in faded if opacity == 1] == ["relu 299"]


def test_the_keyboard_alone_is_enough(open_page: OpenPage) -> None:
    page = open_page(visualize(residual_model()))
    focused = lambda: page.evaluate("() => document.activeElement.dataset.name ?? document.activeElement.id")  # noqa: E731
    for _ in range(12):
        page.keyboard.press("Tab")
        if focused() == "x":
            break
    # One stop for the whole graph, whatever its size.
    assert focused() == "x"
    seen = ["x"]
    for _ in range(4):
        page.keyboard.press("ArrowDown")
        seen.append(focused())
    assert seen[1] == "dense 0" and len(set(seen)) == 5, seen
    page.keyboard.press("ArrowUp")
    assert focused() == seen[3]
    page.keyboard.press("Enter")
    assert page.inner_text("#panel h2") == seen[3]
    assert focused() == "panel-title"
    page.keyboard.press("Escape")
    assert focused() == seen[3]
    page.keyboard.press("/")
    assert focused() == "search"


def test_every_control_has_a_name_and_a_role(open_page: OpenPage) -> None:
    page = open_page(visualize(residual_model()))
    page.click(".node[data-name='dense 1']")
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('button, input, [role=button], [role=img]')]
        .filter(e => !(e.getAttribute('aria-label') || e.textContent.trim())).map(e => e.outerHTML)"""
    )
    assert nameless == []
    # Outside the graph's one stop nothing takes the focus twice.
    assert page.locator(".node[tabindex='0']").count() == 1
    label = page.get_attribute(".node[data-name='dense 1']", "aria-label")
    assert label == "dense 1, innerProduct, makes 8"


def _rgb(text: str) -> str:
    numbers = [int(float(part)) for part in text[text.index("(") + 1 : -1].split(",")[:3]]
    return "#" + "".join(f"{number:02x}" for number in numbers)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_colour_schemes_can_be_read(open_page: OpenPage, scheme: str) -> None:
    original = residual_model()
    page = open_page(visualize(quantize_weights(original, 2, "kmeans"), compared_with=original), color_scheme=scheme)
    page.click(".node[data-name='dense 1']")
    found = page.evaluate(
        """() => {
          const ground = (e) => { for (; e; e = e.parentElement) {
            const c = getComputedStyle(e).backgroundColor; if (c !== 'rgba(0, 0, 0, 0)') return c; } };
          const texts = [...document.querySelectorAll('#panel *, #bar *')].filter(e => !e.closest('svg') &&
            [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())).map(e => [e.textContent.slice(0, 30),
            getComputedStyle(e).color, ground(e)]);
          const nodes = [...document.querySelectorAll('.node text')].map(e => [e.textContent, getComputedStyle(e).fill,
            getComputedStyle(e.parentElement.querySelector('.box')).fill]);
          const labels = [...document.querySelectorAll('.edge text')].map(e => [e.textContent, getComputedStyle(e).fill,
            getComputedStyle(document.body).backgroundColor]);
          return [...texts, ...nodes, ...labels]; }"""
    )
    assert len(found) > 60
    low = [(text, ratio) for text, ink, ground in found if (ratio := contrast(_rgb(ink), _rgb(ground))) < 4.5]
    assert not low, low
    ground = contrast(_rgb(page.evaluate("() => getComputedStyle(document.body).backgroundColor")), "#ffffff")
    assert (ground < 1.5) == (scheme == "light")


def test_the_colours_can_be_chosen(open_page: OpenPage) -> None:
    page = open_page(visualize(residual_model()), color_scheme="light")
    ground = lambda: page.evaluate("() => getComputedStyle(document.body).backgroundColor")  # noqa: E731
    light = ground()
    page.click("#theme")
    assert ground() == light
    page.click("#theme")
    assert ground() != light


@pytest.mark.parametrize("make", [hostile_model, hostile_program])
def test_a_hostile_model_executes_nothing_and_stays_small(open_page: OpenPage, make: Callable[[], Model]) -> None:
    shown = visualize(make())
    assert len(shown.html) < 120_000, len(shown.html)
    assert "<script>document" not in shown.html and "<img" not in shown.html
    page = open_page(shown)
    assert page.title() != "taken"
    page.wait_for_timeout(100)
    for index in range(page.locator(".node").count()):
        page.evaluate(
            "(i) => document.getElementById('n' + i).dispatchEvent(new MouseEvent('click', {bubbles: true}))", index
        )
        assert page.locator("img, iframe, object, script[src], a").count() == 0
    assert page.locator("script").count() == 2
    assert page.evaluate("() => ({}).polluted === undefined && Object.getPrototypeOf({}) === Object.prototype")
    page.fill("#search", EVIL[:20])
    assert page.title() != "taken"
    # Shown as text, with the direction mark and control characters written out.
    text = page.evaluate("() => document.querySelector('.node.layer').dataset.name")
    assert text.startswith("</script><script>") and "\\u202e" in text and "\\x1b" in text


def test_the_policy_stops_scripts_that_get_in_anyway(browser: Any, tmp_path: Path) -> None:
    shown = visualize(residual_model())
    path = tmp_path / "page.html"
    path.write_text(shown.html.replace("<main", "<script>document.title='taken'</script><main"), encoding="utf-8")
    page = browser.new_page()
    blocked: list[str] = []
    page.on("console", lambda message: blocked.append(message.text))
    page.goto(path.as_uri())
    page.evaluate(
        """() => { const s = document.createElement('script'); s.textContent = "document.title='taken'";
        document.body.append(s); const i = new Image();
        i.src = 'https://example.com/x.png'; document.body.append(i); }"""
    )
    page.wait_for_timeout(200)
    assert page.title() != "taken"
    assert sum("Content Security Policy" in text for text in blocked) == 3, blocked
    page.close()


@pytest.mark.parametrize("make", [chain_model, wide_model])
def test_a_thousand_layers_open_in_two_seconds(open_page: OpenPage, make: Callable[[int], Model]) -> None:
    shown = visualize(make(1000))
    times = []
    # Other tests run at the same time: one of three openings may have the machine for itself.
    while len(times) < 3 and min(times, default=9) > 2:
        start = time.perf_counter()
        page = open_page(shown)
        # The next frame has been painted.
        page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        times.append(time.perf_counter() - start)
    assert page.locator(".node").count() == 1002
    # The limit; docs/visualization.md says what was measured.
    assert min(times) < 2, times
    # It begins where names can be read, at the input.
    assert int(page.inner_text("#percent").split()[0]) >= 60
    box, stage = page.locator(".node.input").bounding_box(), page.locator("#stage").bounding_box()
    assert stage["x"] < box["x"] and box["x"] + box["width"] < stage["x"] + stage["width"]


def test_a_notebook_shows_the_page_apart_from_itself(browser: Any) -> None:
    shown = visualize(residual_model())
    page = browser.new_page()
    page.set_content(f"<body>{shown._repr_html_()}</body>")
    frame = page.frames[1]
    frame.wait_for_selector("body[data-ready]", state="attached")
    assert frame.locator(".node.layer").count() == 9
    assert frame.evaluate("() => { try { return !!parent.document.body } catch { return false } }") is False
    page.close()


def test_the_data_in_the_page_is_strict_json() -> None:
    html = visualize(residual_model()).html
    start = html.index('id="data">') + len('id="data">')
    data = json.loads(html[start : html.index("</script>", start)], parse_constant=lambda name: pytest.fail(name))
    assert len(data["nodes"]) == 11
