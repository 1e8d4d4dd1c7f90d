"""What the page is given: a picture and a model's figures as plain data, every text bounded."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from mltoolkit.formats.feature_text import describe
from mltoolkit.formats.layer_summary import WeightTotal, sum_weights
from mltoolkit.markup.colours import FAMILIES
from mltoolkit.markup.sqnr_bars import rating_of, share_and_text
from mltoolkit.markup.text import bytes_text, counted, shape_text, shown
from mltoolkit.visualization.graph import LayerGraph, Node, WeightView
from mltoolkit.visualization.picture import LABEL_LENGTH, NAME_LENGTH, Frame, Picture, PlacedEdge, short_name, type_line

if TYPE_CHECKING:
    from mltoolkit.model import Model

_NAME, _VALUE = 160, 320
_PARAMETERS, _MADE, _FEATURES = 80, 64, 64
_WEIGHTS = 256
_WORST, _LARGEST = 12, 8


def page_data(model: Model, graph: LayerGraph, picture: Picture, remarks: list[str]) -> dict[str, Any]:
    """Everything that the page shows. Keys are short where they come once a layer."""
    places = {id(placed.node): index for index, placed in enumerate(picture.nodes)}
    frames: dict[int, list[Frame]] = {}
    for frame in picture.frames:
        frames.setdefault(id(frame.owner), []).append(frame)
    nodes = []
    for placed in picture.nodes:
        entry = _node(placed.node)
        entry |= {"x": _px(placed.x), "y": _px(placed.y), "w": _px(placed.width), "h": _px(placed.height)}
        if placed.parent is not None:
            entry["o"] = places[id(placed.parent)]
        inside = frames.get(id(placed.node))
        if inside:
            entry["frames"] = [
                {"t": shown(f.title, NAME_LENGTH), "x": _px(f.x), "y": _px(f.y), "w": _px(f.width), "h": _px(f.height)}
                for f in inside
            ]
            entry["inside"] = [places[id(node)] for inner in placed.node.graphs for node in inner.nodes]
        nodes.append(entry)
    layers = [node for _, node in graph.walk() if node.kind == "layer"]
    count = Counter(node.family for node in layers)
    functions, shared = _functions(graph, places)
    several = f"{len(functions):,} functions, " if functions else ""
    return {
        "title": shown(model.name or model.kind, _NAME),
        "subtitle": f"{model.kind}, {several}{counted(len(layers), 'layer')}, {bytes_text(model.size)}",
        "remarks": [shown(remark, 600) for remark in remarks],
        "facts": [(name, shown(text, _VALUE)) for name, text in _facts(model)],
        "functions": functions,
        "features": _features(model),
        "weights": _storages(graph),
        "shared": shared,
        "largest": _largest([placed.node for placed in picture.nodes]),
        "worst": _worst([placed.node for placed in picture.nodes]),
        "families": [(family, count[family]) for family in FAMILIES if count[family]],
        "nodes": nodes,
        "edges": [_edge(placed, places) for placed in picture.edges],
        "width": _px(picture.width),
        "height": _px(picture.height),
    }


def _functions(graph: LayerGraph, places: dict[int, int]) -> tuple[list[tuple[int, str]], bool]:
    """The functions, and whether some share weights.

    Of each the node's number, and in words how many layers it has and what the weights take that it uses.
    """
    found, seen = [], set[int]()
    shared = False
    for node in graph.nodes:
        if node.kind != "function":
            continue
        layers = [inner for _, inner in node.graphs[0].walk() if inner.kind == "layer"]
        weights = {id(first): first.bytes for inner in layers for first in (w.first or w for w in inner.weights)}
        size = bytes_text(sum(weights.values()))
        found.append((places[id(node)], f"{counted(len(layers), 'layer')}, weights {size}"))
        shared = shared or not seen.isdisjoint(weights)
        seen.update(weights)
    return found, shared


def _features(model: Model) -> list[tuple[str, list[tuple[str, str]]]]:
    """Titles, and below them the names of inputs and outputs and what they are: for each function that is shown."""
    functions = model.functions if model.chosen_function is None else {}
    if len(functions) < 2:
        functions = {"": model}
    found, left = [], _FEATURES
    for name, function in functions.items():
        rows = [
            (shown(feature.name, _NAME), f"{side}: {shown(describe(feature), _VALUE)}")
            for side, features in (
                ("input", function.inputs),
                ("output", function.outputs),
                ("state", function.interface.states),
            )
            for feature in features[:_FEATURES]
        ]
        if left > 0:
            found.append((f"Inputs and outputs of {shown(name, _NAME)}" if name else "Inputs and outputs", rows[:left]))
            left -= len(rows)
    return found


def _facts(model: Model) -> list[tuple[str, str]]:
    metadata = model.spec.description.metadata
    found = [("description", metadata.shortDescription), ("author", metadata.author), ("license", metadata.license)]
    found.append(("specification", f"version {model.spec.specificationVersion}"))
    several = len(model.function_names) > 1
    if several and model.chosen_function is not None:
        found.append(("function", f"{model.function_name}, one of {len(model.function_names)}"))
    if model.class_labels is not None and (not several or model.chosen_function is not None):
        found.append(("class labels", f"{len(model.class_labels):,}"))
    return [(name, text) for name, text in found if text]


def _storages(graph: LayerGraph) -> list[tuple[str, str, float]]:
    """Storage, figures in words, and the share of all weights' bytes; what several layers use counts once."""
    totals: dict[str, WeightTotal] = {}
    for _, node in graph.walk():
        for weight in node.weights:
            if weight.first is None:
                one = WeightTotal(1, math.prod(weight.shape), weight.bytes)
                totals[weight.storage] = totals.get(weight.storage, WeightTotal()) + one
    together = max(1, sum_weights(totals.values()).bytes)
    return [
        (storage, f"{total.parameters:,} values, {bytes_text(total.bytes)}", round(total.bytes / together, 4))
        for storage, total in totals.items()
    ]


def _largest(nodes: list[Node]) -> list[tuple[int, str, float]]:
    """The layers whose weights take most: the node's number, their bytes in words and as a share of the largest."""
    sizes = [
        (sum(weight.bytes for weight in node.weights if not weight.shared_with), index)
        for index, node in enumerate(nodes)
        if any(not weight.shared_with for weight in node.weights)
    ]
    found = sorted(sizes, key=lambda size: (-size[0], size[1]))[:_LARGEST]
    most = max((size for size, _ in found), default=0) or 1
    return [(index, bytes_text(size), round(size / most, 3)) for size, index in found]


def _worst(nodes: list[Node]) -> list[tuple[int, int]]:
    """The weights that lost most: the node's number, and the weight's among the node's."""
    measured = [
        (weight.sqnr_db, index, place)
        for index, node in enumerate(nodes)
        for place, weight in enumerate(node.weights[:_WEIGHTS])
        if weight.sqnr_db is not None and weight.sqnr_db != math.inf and not weight.shared_with
    ]
    return [(index, place) for _, index, place in sorted(measured)[:_WORST]]


def _node(node: Node) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "n": shown(node.name, _NAME),
        "s": short_name(node),
        "t": shown(node.type, _NAME),
        "l": type_line(node),
        "k": node.kind,
        "f": node.family,
        "p": [(shown(name, _NAME), shown(text, _VALUE)) for name, text in node.parameters[:_PARAMETERS]],
        "q": [_weight(weight) for weight in node.weights[:_WEIGHTS]],
        "m": [(shown(name, _NAME), shown(shape, _NAME)) for name, shape in list(node.makes.items())[:_MADE]],
    }
    for key, text in (("v", node.variant), ("c", node.class_name), ("d", node.description)):
        if text:
            entry[key] = shown(text, _VALUE)
    lowest = min((weight.sqnr_db for weight in node.weights if weight.sqnr_db is not None), default=math.inf)
    if lowest != math.inf:
        entry |= _quality(lowest)
    return entry


def _quality(decibels: float) -> dict[str, Any]:
    share, text = share_and_text(decibels)
    return {"db": text, "share": round(max(0.0, share), 3), "rating": rating_of(decibels)}


def _weight(weight: WeightView) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "n": shown(weight.name, _NAME),
        "shape": shape_text(weight.shape),
        "st": shown(weight.storage, _NAME),
        "count": f"{math.prod(weight.shape):,}",
        "bytes": bytes_text(weight.bytes),
    }
    for key, value in (
        ("bits", weight.bits),
        ("shared", shown(weight.shared_with, _NAME)),
        ("remark", shown(weight.remark, _VALUE)),
    ):
        if value:
            entry[key] = value
    if weight.sqnr_db is not None:
        entry |= _quality(weight.sqnr_db)
    figures = weight.figures
    if figures is not None:
        entry["g"] = {
            "lo": _number(figures.low),
            "hi": _number(figures.high),
            "mean": _number(figures.mean),
            "dev": _number(figures.deviation),
            "zeros": f"{figures.zeros:,}",
            "bad": figures.not_finite,
            "h": figures.counts,
            "b": figures.before,
            "lv": [_number(level) for level in figures.levels],
        }
    return entry


def _edge(placed: PlacedEdge, places: dict[int, int]) -> dict[str, Any]:
    return {
        "a": places[id(placed.edge.source)],
        "b": places[id(placed.edge.target)],
        "v": shown(placed.edge.value, _NAME),
        "s": shown(placed.edge.shape, LABEL_LENGTH),
        "x": _px(placed.label[0]),
        "y": _px(placed.label[1]),
        "d": [_px(number) for point in placed.line for number in point],
    }


def _px(number: float) -> float:
    return round(number, 1)


def _number(value: float) -> float:
    return float(f"{value:.5g}")
