"""The typed ONNX builder."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import GraphBuilder, dtype_of, shape_of


def test_every_value_has_type_and_shape() -> None:
    builder = GraphBuilder("test")
    x = builder.input("x", np.float32, (1, 3, 8, None))
    weights = builder.constant(np.zeros((4, 3, 3, 3), np.float32), "w")
    y = builder.op("Conv", x, weights, attributes={"pads": [1, 1, 1, 1], "strides": [2, 1]})
    assert shape_of(y) == (1, 4, 4, None)
    assert dtype_of(y) == np.float32


def test_constants_reach_shape_inference() -> None:
    builder = GraphBuilder("test")
    y = builder.op("Reshape", builder.input("x", np.float32, (2, 3, 4)), builder.constant([0, -1]))
    assert shape_of(y) == (2, 12)


def test_finished_model_passes_onnx_checker() -> None:
    builder = GraphBuilder("test")
    x = builder.input("x", np.float32, (2, 4))
    parts = builder.ops("Split", x, attributes={"axis": 1, "num_outputs": 2}, names=("", "right"))
    y = builder.op("Add", *parts)
    builder.rename(y, "y")
    model = ir.to_proto(builder.finish([y]))
    onnx.checker.check_model(model, full_check=True)
    assert [output.name for output in model.graph.output] == ["y"]


def test_names_are_unique_and_speak_of_the_layer() -> None:
    builder = GraphBuilder("test")
    x = builder.input("x", np.float32, (1,))
    with builder.scope("conv1"):
        first, second = builder.op("Relu", x), builder.op("Relu", x)
    assert first.name != second.name
    producer = first.producer()
    assert producer is not None
    assert producer.name == "conv1/Relu"
    assert producer.metadata_props["layer"] == "conv1"


def test_reserved_names_are_left_for_the_outputs() -> None:
    builder = GraphBuilder("test")
    builder.reserve(["out"])
    value = builder.op("Relu", builder.input("x", np.float32, (1,)))
    builder.rename(value, "out")
    assert value.name != "out"


def test_small_constants_are_shared() -> None:
    builder = GraphBuilder("test")
    assert builder.constant([1, 2]) is builder.constant([1, 2])
    assert builder.constant([1, 2]) is not builder.constant([1.0, 2.0])
    assert dtype_of(builder.constant(1.5)) == np.float32
    assert dtype_of(builder.constant(1)) == np.int64


def test_impossible_nodes_name_layer_and_shapes() -> None:
    builder = GraphBuilder("test")
    x = builder.input("x", np.float32, (2, 3))
    with builder.scope("sum"), pytest.raises(InvalidModelError) as caught:
        builder.op("Add", x, builder.constant(np.zeros((4, 5), np.float32)))
    assert "'sum'" in str(caught.value) and "(2, 3), (4, 5)" in str(caught.value), str(caught.value)


def test_mixed_types_are_refused() -> None:
    builder = GraphBuilder("test")
    with pytest.raises(InvalidModelError, match="Mul"):
        builder.op("Mul", builder.input("x", np.float32, (2,)), builder.constant(2))
