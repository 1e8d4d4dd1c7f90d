"""Walks through random graphs: every value, alone and accumulated, against NumPy; little is held."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest

from mltoolkit.comparison.layer_cuts import CutGraph
from mltoolkit.comparison.layer_values import LayerValue, layer_values, matched_values
from mltoolkit.comparison.layer_walk import LayerPowers, LayerWalk
from mltoolkit.comparison.noise import signal_and_noise
from mltoolkit.custom_layers import CustomLayer
from mltoolkit.formats.features import Interface
from mltoolkit.graph.builder import GraphBuilder
from mltoolkit.graph.model_graph import CustomNode, GraphBlob, GraphLayer, ModelGraph

# (what a layer reads, -1 the input; its factor): factor · (sum of what it reads).
Layers = list[tuple[tuple[int, ...], float]]


def graph_of(layers: Layers, order: Sequence[int], hidden: Sequence[int] = ()) -> ModelGraph:
    """The layers as a graph, each two nodes, in that order of the file; hidden ones are no layers of the file."""
    builder = GraphBuilder("test")
    values = {-1: builder.input("x", np.float32, (2, 3))}
    listed = []
    for place in order:
        reads, factor = layers[place]
        total = values[reads[0]]
        for read in reads[1:]:
            total = builder.op("Add", total, values[read])
        values[place] = builder.op("Mul", total, builder.constant(np.float32(factor)), name=f"v{place}")
        if place not in hidden:
            blob = GraphBlob(f"out {place}", f"v{place}", (2, 3))
            listed.append(GraphLayer(f"layer {place}", "scale", (blob,)))
    model = builder.finish([values[len(layers) - 1]])
    return ModelGraph(model, Interface((), ()), layers=tuple(listed))


def cut(graph: ModelGraph, values: Sequence[LayerValue]) -> CutGraph:
    return CutGraph(graph, values, None)


def some_order(layers: Layers, rng: np.random.Generator) -> list[int]:
    """A random order in which every layer comes after what it reads."""
    order: list[int] = []
    while len(order) < len(layers):
        ready = [
            place
            for place, (reads, _) in enumerate(layers)
            if place not in order and all(read in order or read == -1 for read in reads)
        ]
        order.append(int(rng.choice(ready)))
    return order


@pytest.mark.parametrize("seed", range(12))
def test_every_value_against_numpy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = 9
    reads = [tuple(rng.integers(-1, place, rng.integers(1, 4)).tolist()) if place else (-1,) for place in range(count)]
    right: Layers = [(read, float(rng.uniform(0.3, 0.7))) for read in reads]
    wrong: Layers = [(read, factor * rng.choice([1, 1.1])) for read, factor in right]
    hidden = rng.choice(count - 1, 3, replace=False).tolist()
    a, b = graph_of(right, range(count)), graph_of(wrong, some_order(wrong, rng), hidden)
    matched = matched_values(a, b)
    assert [place for place, *_ in matched.pairs] == [place for place in range(count) if place not in hidden]
    walk = LayerWalk(cut(a, [value for _, value, _ in matched.pairs]), cut(b, [value for _, _, value in matched.pairs]))
    x = rng.standard_normal((2, 3)).astype(np.float32)
    found = walk.run({"x": x}, {"x": x}, {"x": x})

    def value(layers: Layers, place: int, given: dict[int, np.ndarray]) -> np.ndarray:
        if place not in given:
            reads, factor = layers[place]
            given[place] = factor * sum(value(layers, read, given) for read in reads)
        return given[place]

    truth: dict[int, np.ndarray] = {-1: x.astype(np.float64)}
    free: dict[int, np.ndarray] = {-1: x.astype(np.float64)}
    for (place, _, _), powers in zip(matched.pairs, found, strict=True):
        expected = value(right, place, truth)
        given = {other: array for other, array in truth.items() if other not in hidden and other != place}
        isolated = value(wrong, place, given)
        assert powers is not None and powers.isolated is not None
        # Noise of 0.1 of the values, in float32: some 1e-5 of it; where there is none, what rounding leaves.
        for powers_found, other in ((powers.accumulated, value(wrong, place, free)), (powers.isolated, isolated)):
            signal, noise, _ = signal_and_noise(expected, other)
            assert powers_found[0] == pytest.approx(signal, rel=1e-5), (place, reads)
            assert powers_found[1] == pytest.approx(noise, rel=1e-4, abs=1e-11 * signal), (place, reads)


def test_outputs_of_one_layer_are_not_computed_from_one_another() -> None:
    builder = GraphBuilder("test")
    x = builder.input("x", np.float32, (2,))
    first = builder.op("Exp", x, name="first")
    second = builder.op("Neg", first, name="second")
    third = builder.op("Add", first, second, name="third")
    layers = (
        GraphLayer("pair", "pair", (GraphBlob("first", "first", (2,)), GraphBlob("second", "second", (2,)))),
        GraphLayer("sum", "add", (GraphBlob("third", "third", (2,)),)),
    )
    graph = ModelGraph(builder.finish([third]), Interface((), ()), layers=layers)
    found = cut(graph, layer_values(graph))
    assert found.sources == [{}, {}, {"first": 0, "second": 1}]
    assert found.segments[1].reads == ("x",)


def test_a_layer_that_changes_nothing() -> None:
    builder = GraphBuilder("test")
    x = builder.input("x", np.float32, (2,))
    z = builder.op("Neg", builder.op("Exp", x, name="y"), name="z")
    layers = tuple(
        GraphLayer(name, "", (GraphBlob(name, value, (2,)),))
        for name, value in (("given", "x"), ("exp", "y"), ("copy", "y"), ("neg", "z"))
    )
    graph = ModelGraph(builder.finish([z]), Interface((), ()), layers=layers)
    found = cut(graph, layer_values(graph))
    assert found.sources == [{}, {"x": 0}, {"y": 1}, {"y": 2}]
    numbers = np.float32([1, 2])
    powers = LayerWalk(found, found).run({"x": numbers}, {"x": numbers}, {"x": numbers})
    assert [item.accumulated[1] for item in powers if item] == [0, 0, 0, 0]


class Shifted(CustomLayer):
    """Its input and a number."""

    class_name = "Shifted"

    def output_shapes(self, input_shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
        return [input_shapes[0]]

    def evaluate(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [inputs[0] + np.float32(self.parameters["by"])]


def test_values_are_dropped_behind_their_last_reader() -> None:
    size, count = 1 << 18, 30

    def graph(by: float) -> ModelGraph:
        builder = GraphBuilder("test")
        value = builder.input("x", np.float32, (size,))
        customs, layers = {}, []
        for place in range(count):
            node, (value,) = builder.custom_op("Shifted", [value], [(f"v{place}", (size,))])
            customs[node.name or ""] = CustomNode(f"v{place}", Shifted({"by": by}, []))
            layers.append(GraphLayer(f"v{place}", "", (GraphBlob(f"v{place}", value.name or "", (size,)),)))
        return ModelGraph(builder.finish([value]), Interface((), ()), custom_layers=customs, layers=tuple(layers))

    a, b = graph(1), graph(2)
    walk = LayerWalk(cut(a, layer_values(a)), cut(b, layer_values(b)))
    x = np.zeros(size, np.float32)
    tracemalloc.start()
    try:
        found: list[LayerPowers | None] = walk.run({"x": x}, {"x": x}, {"x": x})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Two values of each model, one in isolation and its parts in float64; all together would be 60.
    assert peak < 10 * x.nbytes, peak / x.nbytes
    assert [item.isolated[1] / size for item in found if item and item.isolated] == [1.0] * count
    assert [item.accumulated[1] / size for item in found if item] == [place**2 for place in range(1, count + 1)]
