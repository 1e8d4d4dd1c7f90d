"""Nodes of constants are computed while the graph is built, unless that would be wrong or large."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from mltoolkit.graph.builder import GraphBuilder, shape_of


def test_shapes_computed_from_constants_are_known() -> None:
    builder = GraphBuilder("g", fold_constants=True)
    total = builder.op("Add", builder.constant([1, 2]), builder.constant([3, 4]))
    assert total.const_value is not None
    assert total.const_value.numpy().tolist() == [4, 6]


@pytest.mark.parametrize(
    ("operator", "inputs"),
    [
        ("ConstantOfShape", ([1 << 14, 1 << 14],)),
        ("Expand", ([1], [1 << 14, 1 << 14])),
        ("Pad", ([1, 2], [0, 1 << 28])),
        ("Range", (0, 1 << 28, 1)),
        ("Tile", ([1, 2], [1 << 28])),
    ],
)
def test_a_large_result_is_not_even_tried(operator: str, inputs: tuple[list[int] | int, ...]) -> None:
    builder = GraphBuilder("g", fold_constants=True)
    tracemalloc.start()
    value = builder.op(operator, *map(builder.constant, inputs))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert value.const_value is None
    assert np.prod([int(size or 0) for size in shape_of(value)]) >= 1 << 28
    assert peak < 1 << 24, f"{peak} bytes"


@pytest.mark.parametrize("operator", ["GRU", "LSTM", "RNN"])
def test_recurrent_operators_are_left_to_onnxruntime(operator: str) -> None:
    builder = GraphBuilder("g", fold_constants=True)
    gates = {"GRU": 3, "LSTM": 4, "RNN": 1}[operator]
    x = builder.constant(np.ones((2, 1, 1), dtype=np.float32))
    matrix = builder.constant(np.ones((1, gates, 1), dtype=np.float32))
    outputs = builder.ops(operator, x, matrix, matrix, attributes={"hidden_size": 1}, names=["", ""])
    assert all(value.const_value is None for value in outputs)
