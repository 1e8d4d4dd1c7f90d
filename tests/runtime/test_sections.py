"""Graphs run section by section: the same results as in one go, with little kept, and constants read late."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

import mltoolkit as mlt
from mltoolkit.custom_layers import CustomLayer
from mltoolkit.errors import ArgumentError, CustomLayerError
from mltoolkit.formats.features import ImageFeature, Interface
from mltoolkit.graph.builder import GraphBuilder
from mltoolkit.graph.model_graph import CustomNode, ModelGraph
from mltoolkit.runtime.sections import SectionedRun

PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM")


def chain(count: int = 4, size: int = 8) -> tuple[ModelGraph, list[np.ndarray]]:
    """x → MatMul → Relu → MatMul → … with x added again at the end."""
    rng = np.random.default_rng(0)
    builder = GraphBuilder("test")
    x = value = builder.input("x", np.float32, (3, size))
    weights = [rng.standard_normal((size, size)).astype(np.float32) for _ in range(count)]
    for index, matrix in enumerate(weights):
        constant = builder.constant(matrix, name=f"w{index}")
        value = builder.op("MatMul", builder.op("Relu", value, name=f"relu{index}"), constant, name=f"product{index}")
    y = builder.op("Add", value, x, name="y")
    return ModelGraph(builder.finish([y, value]), Interface((), ())), weights


def products(graph: ModelGraph) -> list[ir.Node]:
    return [node for node in graph.model.graph if node.op_type in PRODUCTS]


def feeds(count: int = 5, size: int = 8) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(1)
    return [{"x": rng.standard_normal((3, size)).astype(np.float32)} for _ in range(count)]


@pytest.mark.parametrize("memory", [1 << 20, 0])
@pytest.mark.parametrize("threads", [1, 2])
def test_values_at_every_stop(memory: int, threads: int) -> None:
    graph, weights = chain()
    given = feeds()
    run = SectionedRun(graph, products(graph), given, memory=memory, threads=threads)
    values = [feed["x"] for feed in given]
    for index, matrix in enumerate(weights):
        assert run.stop is (products(graph)[index - 1] if index else None)
        stop = run.advance()
        assert stop is run.stop is products(graph)[index]
        values = [np.maximum(value, 0) for value in values]
        for sample, value in enumerate(values):
            np.testing.assert_array_equal(run.value(f"relu{index}", sample), value)
            np.testing.assert_array_equal(run.value("x", sample), given[sample]["x"])
        values = [value @ matrix for value in values]
        for sample, value in enumerate(values):
            # A sum of eight products.
            np.testing.assert_allclose(run.node_outputs(sample)[0], value, atol=1e-5, rtol=0)
        values = [run.node_outputs(sample)[0] for sample in range(len(given))]
        # What the stop reads is all that is alive, and in a file where nothing may stay in memory.
        assert run.held == (values[0].nbytes * len(given) if memory else 0)
    assert not run.finished
    assert run.advance() is None
    assert run.finished
    for sample, value in enumerate(values):
        found = run.outputs(sample)
        np.testing.assert_array_equal(found["product3"], value)
        np.testing.assert_array_equal(found["y"], value + given[sample]["x"])


def test_what_is_beyond_the_memory_goes_to_a_file() -> None:
    graph, _ = chain()
    one = 3 * 8 * 4
    run = SectionedRun(graph, products(graph)[1:2], feeds(9), memory=2 * one)
    run.advance()
    assert run.held == 2 * one
    expected = SectionedRun(graph, products(graph)[1:2], feeds(9))
    expected.advance()
    for sample in range(9):
        np.testing.assert_array_equal(run.value("relu1", sample), expected.value("relu1", sample))


def test_constants_are_read_when_their_section_is_run() -> None:
    graph, weights = chain()
    run = SectionedRun(graph, products(graph), feeds())
    run.advance()
    before = run.node_outputs(0)[0]
    graph.model.graph.initializers["w0"].const_value = ir.Tensor(2 * weights[0], name="w0")
    np.testing.assert_array_equal(run.node_outputs(0)[0], 2 * before)
    run.advance()
    np.testing.assert_array_equal(run.value("relu1", 0), np.maximum(2 * before, 0))
    # Too late for what has run.
    graph.model.graph.initializers["w0"].const_value = ir.Tensor(weights[0], name="w0")
    np.testing.assert_array_equal(run.value("relu1", 0), np.maximum(2 * before, 0))


def test_a_stop_may_get_one_input_more() -> None:
    builder = GraphBuilder("test")
    x = builder.input("x", np.float32, (3, 8))
    y = builder.op("Gemm", x, builder.constant(np.eye(8, dtype=np.float32), name="w"), name="y")
    graph = ModelGraph(builder.finish([y]), Interface((), ()))
    run = SectionedRun(graph, products(graph), feeds())
    run.advance()
    before = run.node_outputs(0)[0]
    (node,) = products(graph)
    bias = ir.Tensor(np.ones(8, dtype=np.float32), name="bias")
    value = ir.Value(name="bias", type=ir.TensorType(bias.dtype), shape=bias.shape, const_value=bias)
    graph.model.graph.register_initializer(value)
    node.resize_inputs(3)
    node.replace_input_with(2, value)
    np.testing.assert_array_equal(run.node_outputs(0)[0], before + 1)


def test_nodes_inserted_later_are_run() -> None:
    graph, _ = chain()
    stops = products(graph)
    run = SectionedRun(graph, stops, feeds())
    run.advance()
    before = run.node_outputs(0)[0]
    product = stops[0].outputs[0]
    users = list(product.uses())
    negated = ir.node("Neg", [product], name="negation")
    negated.outputs[0].name = "negated"
    graph.model.graph.insert_after(stops[0], negated)
    for use in users:
        use.node.replace_input_with(use.idx, negated.outputs[0])
    run.advance()
    np.testing.assert_array_equal(run.value("relu1", 0), np.maximum(-before, 0))


def test_values_read_inside_a_branch_stay_alive() -> None:
    builder = GraphBuilder("test")
    x = builder.input("x", np.float32, (2,))
    first = builder.op("Relu", x, name="first")
    second = builder.op("Exp", first, name="second")
    condition = builder.op(
        "Greater", builder.op("ReduceSum", second, attributes={"keepdims": 0}), builder.constant(0.0)
    )
    bodies = {}
    for name, value in (("then_branch", first), ("else_branch", second)):
        inner = builder.subgraph(name)
        bodies[name] = inner.body([inner.op("Neg", value)])
    (y,) = builder.control_flow("If", [condition], bodies, [first])
    graph = ModelGraph(builder.finish([y]), Interface((), ()))
    stop = next(node for node in graph.model.graph if node.op_type == "ReduceSum")
    run = SectionedRun(graph, [stop], [{"x": np.array([-1, 2], dtype=np.float32)}])
    run.advance()
    run.advance()
    (found,) = run.outputs(0).values()
    np.testing.assert_array_equal(found, [0, -2])


class Doubled(CustomLayer):
    """Twice its input."""

    class_name = "Doubled"

    def output_shapes(self, input_shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
        return [input_shapes[0]]

    def evaluate(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        if np.any(inputs[0] == 13):
            raise ValueError("thirteen")
        return [2 * inputs[0]]


def custom_graph() -> ModelGraph:
    builder = GraphBuilder("test")
    x = builder.input("x", np.float32, (2, 2))
    node, (value,) = builder.custom_op("Doubled", [builder.op("Neg", x, name="neg")], [("doubled", (2, 2))])
    y = builder.op("MatMul", value, builder.constant(np.eye(2, dtype=np.float32)), name="y")
    custom = {node.name or "": CustomNode("layer", Doubled({}, []))}
    return ModelGraph(builder.finish([y]), Interface((), ()), custom_layers=custom)


def test_custom_layers_between_and_at_stops() -> None:
    graph = custom_graph()
    run = SectionedRun(
        graph, [node for node in graph.model.graph if node.op_type != "Neg"], [{"x": np.eye(2, dtype=np.float32)}]
    )
    run.advance()
    np.testing.assert_array_equal(run.node_outputs(0)[0], -2 * np.eye(2))
    run.advance()
    np.testing.assert_array_equal(run.value("doubled", 0), -2 * np.eye(2))
    run.advance()
    np.testing.assert_array_equal(run.outputs(0)["y"], -2 * np.eye(2))


def test_errors_of_custom_layers_come_through() -> None:
    graph = custom_graph()
    run = SectionedRun(graph, products(graph), [{"x": np.full((2, 2), value, np.float32)} for value in (1, -13, 2)])
    with pytest.raises(CustomLayerError, match="thirteen"):
        run.advance()


def test_wrong_use_is_refused() -> None:
    graph, _ = chain()
    other, _ = chain()
    stops = products(graph)
    for wrong in (stops[::-1], [stops[0], stops[0]]):
        with pytest.raises(ArgumentError, match="order"):
            SectionedRun(graph, wrong, feeds())
    with pytest.raises(ArgumentError, match="no node"):
        SectionedRun(graph, products(other), feeds())
    run = SectionedRun(graph, stops[:1], feeds())
    with pytest.raises(ArgumentError, match="not stopped"):
        run.node_outputs(0)
    with pytest.raises(ArgumentError, match="not at its end"):
        run.outputs(0)
    run.advance()
    with pytest.raises(ArgumentError, match="alive"):
        run.value("product3", 0)
    run.advance()
    with pytest.raises(ArgumentError, match="at its end"):
        run.advance()


def random_feed(model: mlt.Model, graph: ModelGraph, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    images = {feature.name for feature in model.inputs if isinstance(feature, ImageFeature)}
    feed: dict[str, np.ndarray] = {}
    for value in graph.model.graph.inputs:
        shape = tuple(int(size) for size in value.shape)
        if value.name in images:
            feed[value.name] = rng.integers(0, 256, shape).astype(np.float32)
        else:
            feed[value.name] = rng.standard_normal(shape).astype(np.float32)
    return feed


# What onnxruntime makes of a section it cannot always make of the whole: a bilinear Resize of pose_cpm runs in blocks
# of channels there and row by row here, since one of the values it adds up comes from an earlier section.
ROUNDING = {"pose_cpm.mlmodel": 3e-5}


@pytest.mark.parametrize(
    ("name", "samples"),
    [
        ("pose_cpm.mlmodel", 2),
        ("MNIST_ph1ps.mlmodel", 3),
        ("FNS-Candy.mlmodel", 1),
        ("activity_lstm_mariozusag.mlmodel", 3),
        ("SqueezeNet_fp32_meanfix.mlmodel", 3),
        ("basic_pitch_nmp.mlpackage", 2),
        ("kraken_overfit.mlmodel", 2),
        ("kraken_blla.mlmodel", 1),
    ],
)
@pytest.mark.parametrize("memory", [128 << 20, 0])
def test_real_models_give_what_they_give_in_one_go(shared_data: Path, name: str, samples: int, memory: int) -> None:
    model = mlt.load(shared_data / "coreml" / name)
    # The width that kraken's files leave open; its custom layers are registered.
    width = {"kraken_blla.mlmodel": 80, "kraken_overfit.mlmodel": 4}.get(name)
    shapes = {feature.name: tuple(size or width for size in feature.shape) for feature in model.inputs if width}
    graph = model.graph(shapes)
    given = [random_feed(model, graph, seed) for seed in range(samples)]
    run = SectionedRun(graph, products(graph), given, memory=memory)
    most = 0
    while not run.finished:
        run.advance()
        most = max(most, run.held)
    assert (most > 0) == (memory > 0)
    for sample, feed in enumerate(given):
        expected = model.predict_raw(_as_inputs(model, feed), threads=1)
        for output, array in run.outputs(sample).items():
            reference = np.asarray(expected[output])
            error = float(np.max(np.abs(array - reference), initial=0))
            if name in ROUNDING:
                assert error <= ROUNDING[name] * float(np.max(np.abs(reference))), error
            else:
                np.testing.assert_array_equal(array, reference)


def _as_inputs(model: mlt.Model, feed: dict[str, np.ndarray]) -> dict[str, Any]:
    """Arrays of pixels as predict takes them: (H, W, C) in RGB order."""
    images = {feature.name: feature for feature in model.inputs if isinstance(feature, ImageFeature)}
    inputs: dict[str, Any] = {}
    for name, array in feed.items():
        if name in images:
            pixels = array[0].transpose(1, 2, 0)
            array = pixels[:, :, ::-1] if images[name].color_space == "BGR" else pixels
        inputs[name] = array
    return inputs
