"""Parts of graphs by themselves: what they read, and what they give."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from mil_packages import adding_program

import mltoolkit as mlt
from mltoolkit.custom_layers import CustomLayer
from mltoolkit.errors import PredictionError
from mltoolkit.formats.features import Interface
from mltoolkit.formats.weight_blob import WeightFolder
from mltoolkit.graph.builder import GraphBuilder
from mltoolkit.graph.model_graph import CustomNode, ModelGraph
from mltoolkit.runtime.ml_program import MLProgramPredictor
from mltoolkit.runtime.segment import Segment

X = np.float32([[1, -2, 3]])


def value(graph: ModelGraph, name: str) -> ir.Value:
    found = {value.name: value for node in graph.model.graph for value in node.outputs}
    return (found | {value.name: value for value in graph.model.graph.inputs})[name]


def segment(graph: ModelGraph, wanted: str, *given: str) -> Segment:
    return Segment(graph, value(graph, wanted), lambda value: value.name in given)


def diamond() -> ModelGraph:
    """x → exp → (neg, double) → sum, and x once more."""
    builder = GraphBuilder("test")
    x = builder.input("x", np.float32, (1, 3))
    exp = builder.op("Exp", x, name="exp")
    double = builder.op("Mul", exp, builder.constant(np.float32(2)), name="double")
    total = builder.op("Add", builder.op("Neg", exp, name="neg"), double, name="sum")
    return ModelGraph(builder.finish([builder.op("Add", total, x, name="y")]), Interface((), ()))


def test_the_way_back_ends_at_given_values() -> None:
    graph = diamond()
    assert segment(graph, "y").reads == ("x",)
    np.testing.assert_allclose(segment(graph, "y").run({"x": X}), np.exp(X) + X, rtol=1e-6)
    half = segment(graph, "y", "neg")
    assert set(half.reads) == {"neg", "x"}
    # What neg was made of is nobody's business.
    np.testing.assert_allclose(half.run({"neg": 5 + 0 * X, "x": X}), 5 + 2 * np.exp(X) + X, rtol=1e-6)
    last = segment(graph, "y", "sum", "exp")
    assert last.reads == ("sum", "x")
    np.testing.assert_array_equal(last.run({"sum": X, "x": X, "exp": X}), 2 * X)


def test_a_value_that_is_given_or_an_input_is_passed_on() -> None:
    graph = diamond()
    for name in ("sum", "x"):
        passed = segment(graph, name, "sum")
        assert passed.reads == (name,)
        assert passed.run({name: X}) is X


def test_runs_repeat_and_overlap() -> None:
    part = segment(diamond(), "sum", "exp")
    for factor in (1, 2, 3):
        np.testing.assert_array_equal(part.run({"exp": factor * X}), factor * X)


class Halved(CustomLayer):
    """Half its input."""

    class_name = "Halved"

    def output_shapes(self, input_shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
        return [input_shapes[0]]

    def evaluate(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [inputs[0] / np.float32(2)]


def test_custom_layers_inside() -> None:
    builder = GraphBuilder("test")
    x = builder.input("x", np.float32, (1, 3))
    node, (half,) = builder.custom_op("Halved", [builder.op("Neg", x, name="neg")], [("half", (1, 3))])
    y = builder.op("Add", half, x, name="y")
    custom = {node.name or "": CustomNode("layer", Halved({}, []))}
    graph = ModelGraph(builder.finish([y]), Interface((), ()), custom_layers=custom)
    np.testing.assert_array_equal(segment(graph, "y").run({"x": X}), X / 2)
    np.testing.assert_array_equal(segment(graph, "half", "neg").run({"neg": X}), X / 2)
    np.testing.assert_array_equal(segment(graph, "y", "half").run({"half": X, "x": X}), 2 * X)


def test_what_a_branch_reads_inside_is_read() -> None:
    builder = GraphBuilder("test")
    x = builder.input("x", np.float32, (1, 3))
    outer = builder.op("Exp", x, name="outer")
    condition = builder.op("Greater", builder.op("ReduceSum", x, attributes={"keepdims": 0}), builder.constant(0.0))
    bodies = {}
    for name, factor in (("then_branch", 2.0), ("else_branch", 3.0)):
        inner = builder.subgraph(name)
        bodies[name] = inner.body([inner.op("Mul", outer, inner.constant(np.float32(factor)))])
    (y,) = builder.control_flow("If", [condition], bodies, [outer])
    graph = ModelGraph(builder.finish([y]), Interface((), ()))
    part = segment(graph, y.name or "", "outer")
    assert set(part.reads) == {"outer", "x"}
    for sign, factor in ((1, 2), (-1, 3)):
        np.testing.assert_array_equal(part.run({"outer": X, "x": sign * X}), factor * X)


def test_weights_in_files(tmp_path: Path) -> None:
    # 40,000 numbers: more than is made part of the session's graph.
    spec, weight = adding_program(tmp_path / "weights", size=40_000)
    predictor = mlt.Model.from_spec(spec, weights_dir=tmp_path / "weights").predictor
    assert isinstance(predictor, MLProgramPredictor) and isinstance(predictor.files, WeightFolder)
    graph = predictor.graph()
    given = np.ones(40_000, np.float32)
    part = Segment(graph, value(graph, "y"), lambda value: False, files=predictor.files)
    np.testing.assert_array_equal(part.run({"x": given}), weight + 1)


def test_an_error_says_where() -> None:
    with pytest.raises(PredictionError, match="'sum'"):
        segment(diamond(), "sum", "exp").run({"exp": np.zeros((2, 2, 2, 2), np.float32)})
