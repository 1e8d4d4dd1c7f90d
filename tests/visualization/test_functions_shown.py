"""ML Programs with several functions: every one is shown, and what they share is counted once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from mil_packages import add_weight, two_functions, write_weight_file
from mil_programs import Ref, add_operation
from test_visualize import data_of

from mltoolkit import load, quantize_weights, visualize
from mltoolkit.model import Model
from mltoolkit.quantization.sqnr import sqnr_db
from mltoolkit.visualization.graph import WeightView
from mltoolkit.visualization.model_layers import function_graphs, model_graph

OpenPage = Callable[..., Any]

_NODES = """() => [...document.querySelectorAll('.node')].map(n => ({name: n.dataset.name, kind: n.classList[1],
  label: n.getAttribute('aria-label')}))"""
# The function that an edge stands in is the box around both its ends.
_EDGES = """() => [...document.querySelectorAll('.edge')].map(e => ({
  from: document.getElementById('n' + e.dataset.from).dataset.name,
  to: document.getElementById('n' + e.dataset.to).dataset.name,
  inside: [...document.querySelectorAll('.node.function')].filter(f => {
    const box = f.getBoundingClientRect(), line = e.querySelector('path').getBoundingClientRect();
    return box.left <= line.left && line.right <= box.right && box.top <= line.top && line.bottom <= box.bottom;
  }).map(f => f.dataset.name), value: e.dataset.value, shape: e.dataset.shape}))"""


def three_functions(folder: Path) -> tuple[Model, dict[str, np.ndarray]]:
    """``plus`` (the default) and ``double_plus``, which share a weight, and ``own`` with a weight for itself."""
    spec, shared = two_functions(folder)
    own = np.random.default_rng(4).normal(size=(40, 3)).astype(np.float32)
    offsets = write_weight_file(folder / "weight.bin", [shared, own])
    program, description = spec.mlProgram, spec.description
    program.functions["own"].CopyFrom(program.functions["plus"])
    block = program.functions["own"].block_specializations["CoreML7"]
    del block.operations[:]
    add_weight(block, "w", shared, offsets[0])
    add_weight(block, "m", own, offsets[1])
    add_operation(block, "add", {"x": Ref("x"), "y": Ref("w")}, {"sum": ("float32", (40,))})
    add_operation(block, "matmul", {"x": Ref("sum"), "y": Ref("m")}, {"y": ("float32", (3,))})
    described = description.functions.add(name="own")
    described.CopyFrom(description.functions[0])
    described.name = "own"
    described.output[0].type.multiArrayType.shape[:] = [3]
    return Model.from_spec(spec, name="three.mlpackage", weights_dir=folder), {"w": shared, "m": own}


def weights_by_layer(model: Model) -> dict[tuple[str, str, str], WeightView]:
    """Every weight of every function, its figures and ratio left out."""
    graphs = function_graphs(model, model_graph(model)[0])
    return {
        (function, node.name, weight.name): weight
        for function, graph in graphs.items()
        for _, node in graph.walk()
        for weight in node.weights
    }


def test_every_function_is_a_box_and_the_default_is_marked(tmp_path: Path) -> None:
    model, _ = three_functions(tmp_path)
    graph, remarks = model_graph(model)
    assert remarks == ()
    assert [(node.name, node.kind, node.variant) for node in graph.nodes] == [
        ("plus", "function", "default"),
        ("double_plus", "function", ""),
        ("own", "function", ""),
    ]
    assert graph.edges == []
    for name, inner in function_graphs(model, graph).items():
        alone, _ = model_graph(model.functions[name])
        assert [(node.name, node.type) for node in inner.nodes] == [(node.name, node.type) for node in alone.nodes]
        assert [(edge.value, edge.shape) for edge in inner.edges] == [(edge.value, edge.shape) for edge in alone.edges]


def test_a_chosen_function_is_shown_alone(tmp_path: Path) -> None:
    model, _ = three_functions(tmp_path)
    model.save(tmp_path / "three.mlpackage")
    for shown in (model.functions["own"], load(tmp_path / "three.mlpackage", function_name="own")):
        data = data_of(visualize(shown).html)
        assert [node["n"] for node in data["nodes"] if node["k"] == "layer"] == ["sum", "y"]
        assert data["functions"] == []
        assert ["function", "own, one of 3"] in data["facts"]
    whole = data_of(visualize(tmp_path / "three.mlpackage").html)
    assert [node["n"] for node in whole["nodes"] if node["k"] == "function"] == ["plus", "double_plus", "own"]
    assert "function" not in dict(whole["facts"])


def test_bytes_that_functions_share_are_counted_once(tmp_path: Path) -> None:
    model, values = three_functions(tmp_path)
    found = weights_by_layer(model)
    assert {key: weight.shared_with for key, weight in found.items()} == {
        ("plus", "y", "y"): "",
        ("double_plus", "y", "y"): "y of plus",
        ("own", "sum", "y"): "y of plus",
        ("own", "y", "y"): "",
    }
    together = sum(array.nbytes for array in values.values())
    assert sum(weight.bytes for weight in found.values() if weight.first is None) == together
    data = data_of(visualize(model).html)
    assert data["weights"] == [["float32", "160 values, 640 B", 1.0]]
    assert data["shared"]
    sizes = {data["nodes"][index]["n"]: text for index, text in data["functions"]}
    assert sizes == {
        "plus": "1 layer, weights 160 B",
        "double_plus": "2 layers, weights 160 B",
        "own": "2 layers, weights 640 B",
    }
    assert [text for _, text, _ in data["largest"]] == ["480 B", "160 B"]
    # Alone a function counts all that it uses.
    assert data_of(visualize(model.functions["own"]).html)["weights"] == [["float32", "160 values, 640 B", 1.0]]


def test_each_function_has_its_inputs_and_outputs(tmp_path: Path) -> None:
    model, _ = three_functions(tmp_path)
    features = dict(data_of(visualize(model).html)["features"])
    assert list(features) == [f"Inputs and outputs of {name}" for name in model.functions]
    assert features["Inputs and outputs of double_plus"] == [["z", "input: float32 40"], ["y", "output: float32 40"]]


def test_a_quantized_program_keeps_all_its_functions(tmp_path: Path) -> None:
    model, _ = three_functions(tmp_path)
    small = quantize_weights(model, 8, "linear", minimum_deployment_target="iOS18")
    assert small.chosen_function is None
    assert quantize_weights(model.functions["own"], 8, "linear").chosen_function == "own"
    data = data_of(visualize(small).html)
    assert len(data["functions"]) == 3
    (record,) = [record for record in small.quantization_report.records if record.sqnr_db is not None]
    ratios = [weight.get("db") for node in data["nodes"] for weight in node["q"] if weight["shape"] == "40×3"]
    assert ratios == [f"{record.sqnr_db:.1f} dB"]


def disturbed(model: Model, folder: Path) -> tuple[Model, dict[str, np.ndarray]]:
    """The same program with weights that are a little off."""
    folder.mkdir()
    rng = np.random.default_rng(9)
    found = {
        name: (values + rng.normal(scale=0.05, size=values.shape)).astype(np.float32)
        for name, values in three_functions(folder)[1].items()
    }
    write_weight_file(folder / "weight.bin", list(found.values()))
    return Model.from_spec(model.spec, name="small.mlpackage", weights_dir=folder), found


def test_functions_are_compared_with_those_of_the_same_name(tmp_path: Path) -> None:
    original, before = three_functions(tmp_path)
    small, after = disturbed(original, tmp_path / "small")
    expected = {name: f"{sqnr_db(before[name], after[name]):.1f} dB" for name in before}
    shown = visualize(small, compared_with=original)
    assert "2 of 2 weights are in both" in shown.remarks[0]
    data = data_of(shown.html)
    ratios = [(weight["n"], weight["shape"], weight["db"]) for node in data["nodes"] for weight in node["q"]]
    assert Counter(ratios) == {("y", "40", expected["w"]): 3, ("y", "40×3", expected["m"]): 1}
    assert len(data["worst"]) == 2
    # One function beside the whole package, beside itself, and the whole beside one of its functions.
    for first, other, count in (
        (small.functions["own"], original, "2 of 2"),
        (small.functions["own"], original.functions["own"], "2 of 2"),
        (small, original.functions["plus"], "1 of 2"),
    ):
        shown = visualize(first, compared_with=other)
        assert f"{count} weights are in both" in shown.remarks[0]
        nodes = data_of(shown.html)["nodes"]
        assert expected["w"] in {weight.get("db") for node in nodes for weight in node["q"]}


def test_the_page_has_every_layer_and_every_edge_of_every_function_once(tmp_path: Path, open_page: OpenPage) -> None:
    model, _ = three_functions(tmp_path)
    page = open_page(visualize(model))
    nodes = page.evaluate(_NODES)
    layers = [layer.name for function in model.functions.values() for layer in function.summary().layers]
    assert Counter(node["name"] for node in nodes if node["kind"] == "layer") == Counter(layers)
    labels = [node["label"] for node in nodes if node["kind"] == "function"]
    assert labels == ["plus, function · default", "double_plus, function", "own, function"]
    expected = []
    for name, function in model.functions.items():
        given = {feature.name: np.ones(feature.shape, np.float32) for feature in function.inputs}
        graph = function.graph()
        left = {value.name for node in graph.model.graph for value in node.outputs}
        taps = {b.name: b.value for layer in graph.layers for b in layer.outputs if b.value in left}
        raw = function.predict_raw(given, taps=sorted(set(taps.values())))
        values = given | {value: raw[tap] for value, tap in taps.items()} | function.predict(given)
        makers = {value: value for value in given}
        for layer in function.summary().layers:
            expected += [
                (makers[value], layer.name, (name,), value, "×".join(map(str, values[value].shape)))
                for value in layer.inputs
            ]
            makers.update(dict.fromkeys(layer.outputs, layer.name))
        expected += [
            (makers[out.name], out.name, (name,), out.name, "×".join(map(str, values[out.name].shape)))
            for out in function.outputs
        ]
    drawn = [(e["from"], e["to"], tuple(e["inside"]), e["value"], e["shape"]) for e in page.evaluate(_EDGES)]
    assert Counter(drawn) == Counter(expected)


def test_functions_can_be_searched_and_walked_through(tmp_path: Path, open_page: OpenPage) -> None:
    model, _ = three_functions(tmp_path)
    page = open_page(visualize(model))
    page.fill("#search", "doub")
    assert page.locator("#found li").all_inner_texts() == ["double_plus\nfunction", "doubled\nmul in double_plus"]
    page.press("#search", "ArrowDown")
    page.press("#search", "ArrowDown")
    page.press("#search", "Enter")
    assert page.inner_text("#panel header p") == "mul in double_plus"
    page.click("#panel header .link")
    text = page.inner_text("#panel")
    for expected in (
        "double_plus",
        "2 layers, weights 160 B",
        "Inputs and outputs of double_plus",
        "input: float32 40",
    ):
        assert expected in text, (expected, text)
    page.keyboard.press("Escape")
    focused = lambda: page.evaluate("() => document.activeElement.getAttribute('aria-label')")  # noqa: E731
    seen = [focused()]
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "ArrowUp", "ArrowUp", "ArrowLeft", "ArrowLeft"):
        page.keyboard.press(key)
        seen.append(focused())
    assert [text.split(",")[0] for text in seen] == [
        "double_plus",
        "own",
        "x",
        "sum",
        "x",
        "own",
        "double_plus",
        "plus",
    ]


def test_the_page_begins_at_the_default_function(tmp_path: Path, open_page: OpenPage) -> None:
    model, _ = three_functions(tmp_path)
    model.spec.description.defaultFunctionName = "own"
    page = open_page(visualize(model))
    first = page.locator(".node[tabindex='0']")
    assert first.get_attribute("data-name") == "x"
    box, own = first.bounding_box(), page.locator(".node.function[data-name='own'] .box").bounding_box()
    assert own["x"] < box["x"] and box["x"] + box["width"] < own["x"] + own["width"]
    tops = page.evaluate(
        "() => [...document.querySelectorAll('.node.function .box')].map(b => b.getBoundingClientRect().top)"
    )
    # Unequal in height, they begin at the same one; half a pixel is the browser's rounding.
    assert max(tops) - min(tops) < 0.5
