"""Graphs cut at custom layers, and taps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from mltoolkit.custom_layers import CustomLayer
from mltoolkit.errors import ArgumentError, CustomLayerError
from mltoolkit.formats.features import Interface
from mltoolkit.graph.builder import GraphBuilder
from mltoolkit.graph.model_graph import CustomNode, ModelGraph
from mltoolkit.runtime.partition import GraphRunner


class Scripted(CustomLayer):
    """Evaluates with a given function; shapes are kept."""

    class_name = "Scripted"

    def __init__(self, function: Callable[[Sequence[np.ndarray]], object]) -> None:
        super().__init__({}, [])
        self.function = function

    def output_shapes(self, input_shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
        return [input_shapes[0]]

    def evaluate(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        return self.function(inputs)  # type: ignore[return-value]


def graph_with(*functions: Callable[[Sequence[np.ndarray]], object]) -> ModelGraph:
    """relu(x) → custom → +relu(x) → custom → … → sum, so that values cross the cuts."""
    builder = GraphBuilder("test")
    x = builder.input("x", np.float32, (2, 3))
    start = value = builder.op("Relu", x, name="start")
    nodes = {}
    for index, function in enumerate(functions):
        node, (value,) = builder.custom_op("Scripted", [value], [(f"custom{index}", (2, 3))])
        nodes[node.name or ""] = CustomNode(f"layer{index}", Scripted(function))
        value = builder.op("Add", value, start, name=f"sum{index}")
    model = builder.finish([value])
    return ModelGraph(model, Interface((), ()), custom_layers=nodes)


X = np.array([[-1, 0, 1], [2, -3, 4]], dtype=np.float32)


def test_without_custom_layers_one_session_runs_all() -> None:
    builder = GraphBuilder("test")
    y = builder.op("Neg", builder.input("x", np.float32, (2, 3)), name="y")
    runner = GraphRunner(ModelGraph(builder.finish([y]), Interface((), ())))
    np.testing.assert_array_equal(runner.run({"x": X})["y"], -X)


def test_custom_layers_in_a_row() -> None:
    runner = GraphRunner(graph_with(lambda inputs: [2 * inputs[0]], lambda inputs: [inputs[0] + 1]))
    relu = np.maximum(X, 0)
    np.testing.assert_array_equal(runner.run({"x": X})["sum1"], (2 * relu + relu + 1) + relu)


def test_taps_reach_native_and_custom_values() -> None:
    runner = GraphRunner(graph_with(lambda inputs: [2 * inputs[0]]), taps=["start", "custom0"])
    results = runner.run({"x": X})
    np.testing.assert_array_equal(results["start"], np.maximum(X, 0))
    np.testing.assert_array_equal(results["custom0"], 2 * np.maximum(X, 0))


def test_unknown_tap_names_the_close_match() -> None:
    with pytest.raises(ArgumentError, match="'start'"):
        GraphRunner(graph_with(lambda inputs: [inputs[0]]), taps=["strat"])


def raise_value_error(inputs: Sequence[np.ndarray]) -> object:
    raise ValueError("no luck")


def change_input(inputs: Sequence[np.ndarray]) -> object:
    inputs[0][:] = 0
    return [inputs[0]]


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (raise_value_error, "ValueError: no luck"),
        (change_input, "Inputs are read-only"),
        (lambda inputs: inputs[0], "list of 1 arrays, not ndarray"),
        (lambda inputs: [], "list of 1 arrays, not 0 arrays"),
        (lambda inputs: [inputs[0][:1]], "shape (1, 3) where output_shapes announced (2, 3)"),
        (lambda inputs: [["text"]], "must be an array of numbers, not list"),
        (lambda inputs: [inputs[0].astype(complex)], "complex"),
    ],
)
def test_faulty_custom_layers_are_named(function: Callable[[Sequence[np.ndarray]], object], says: str) -> None:
    runner = GraphRunner(graph_with(function))
    with pytest.raises(CustomLayerError) as caught:
        runner.run({"x": X})
    assert says in str(caught.value), str(caught.value)
    assert "'layer0'" in str(caught.value)


def test_large_weights_stay_in_memory() -> None:
    builder = GraphBuilder("test")
    weight = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)
    y = builder.op("MatMul", builder.input("x", np.float32, (1, 64)), builder.constant(weight, "w"), name="y")
    runner = GraphRunner(ModelGraph(builder.finish([y]), Interface((), ())))
    x = np.random.default_rng(1).standard_normal((1, 64)).astype(np.float32)
    # float32 sums of 64 products: rounding of about 64 · 2^-24.
    np.testing.assert_allclose(runner.run({"x": x})["y"], x @ weight, rtol=1e-5, atol=1e-5)
