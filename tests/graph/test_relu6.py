"""The four-node spelling of a clipped ReLU becomes one Clip, and only that."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest

from mltoolkit.graph.builder import GraphBuilder, shape_of
from mltoolkit.graph.passes import optimize


def chain(
    builder: GraphBuilder, value: ir.Value, *, first: float = -1.0, bound: float = -6.0, last: float = -1.0
) -> ir.Value:
    value = builder.op("Relu", value)
    value = builder.op("Mul", value, builder.constant(first))
    value = builder.op("Max", value, builder.constant(bound))
    return builder.op("Mul", value, builder.constant(last))


def finished(builder: GraphBuilder, *outputs: ir.Value) -> ir.Model:
    for index, value in enumerate(outputs):
        builder.rename(value, f"y{index}")
    return builder.finish(outputs)


def operators(model: ir.Model) -> Counter[str]:
    return Counter(node.op_type for node in model.graph)


def run(model: ir.Model, x: np.ndarray) -> list[np.ndarray]:
    session = ort.InferenceSession(ir.to_proto(model).SerializeToString())
    return list(session.run(None, {"x": x}))


X = np.linspace(-9, 9, 24, dtype=np.float32).reshape(1, 24)


@pytest.mark.parametrize("bound", [-6.0, -1.5])
def test_chain_becomes_clip(bound: float) -> None:
    builder = GraphBuilder("test")
    model = finished(builder, builder.op("Neg", chain(builder, builder.input("x", np.float32, (1, 24)), bound=bound)))
    optimize(model)
    assert operators(model) == {"Clip": 1, "Neg": 1}
    np.testing.assert_array_equal(run(model, X)[0], -np.clip(X, 0, -bound))


def test_chain_at_the_output_keeps_its_name_and_shape() -> None:
    builder = GraphBuilder("test")
    model = finished(builder, chain(builder, builder.input("x", np.float32, (1, 24))))
    optimize(model)
    assert operators(model) == {"Clip": 1}
    (output,) = model.graph.outputs
    assert output.name == "y0" and shape_of(output) == (1, 24)
    np.testing.assert_array_equal(run(model, X)[0], np.clip(X, 0, 6))


def test_chains_in_a_row() -> None:
    builder = GraphBuilder("test")
    value = builder.input("x", np.float32, (1, 24))
    for _ in range(3):
        value = builder.op("Sub", chain(builder, value), builder.constant(1.0))
    model = finished(builder, value)
    expected = run(model, X)[0]
    optimize(model)
    assert operators(model) == {"Clip": 3, "Sub": 3}
    np.testing.assert_array_equal(run(model, X)[0], expected)


@pytest.mark.parametrize("change", [{"first": -2.0}, {"last": -0.5}, {"bound": 6.0}])
def test_other_numbers_are_left_alone(change: dict[str, float]) -> None:
    builder = GraphBuilder("test")
    model = finished(builder, chain(builder, builder.input("x", np.float32, (1, 24)), **change))
    expected = run(model, X)[0]
    optimize(model)
    assert operators(model)["Clip"] == 0
    np.testing.assert_array_equal(run(model, X)[0], expected)


def test_values_used_elsewhere_are_kept() -> None:
    builder = GraphBuilder("test")
    relu = builder.op("Relu", builder.input("x", np.float32, (1, 24)))
    low = builder.op("Max", builder.op("Mul", relu, builder.constant(-1.0)), builder.constant(-6.0))
    model = finished(builder, builder.op("Mul", low, builder.constant(-1.0)), relu)
    optimize(model)
    assert operators(model)["Clip"] == 0
