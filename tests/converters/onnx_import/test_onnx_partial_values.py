"""Shape computations over open sizes: what is known of them is used."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper
from onnx_models import FLOAT, model_of, normal, operators, run

from mltoolkit.converters.onnx_import.importer import import_onnx
from mltoolkit.converters.onnx_import.partial_values import elements_of, expand_target, reshape_target
from mltoolkit.graph.builder import GraphBuilder, shape_of


def builder_with_shape(*sizes: int | str) -> tuple[GraphBuilder, Any]:
    builder = GraphBuilder("g")
    return builder, builder.op("Shape", builder.input("x", np.float32, sizes))


def test_elements_follow_the_operators_that_exporters_use() -> None:
    builder, shape = builder_with_shape("N", 3, "H", "W")
    constant = builder.constant
    assert elements_of(shape) == ("N", 3, "H", "W")
    first = builder.op("Gather", shape, constant(0), attributes={"axis": 0})
    assert elements_of(first) == ("N",)
    vector = builder.op("Unsqueeze", first, constant([0]))
    channels = builder.op("Slice", shape, constant([1]), constant([2]), constant([0]))
    assert elements_of(channels) == (3,)
    twice = builder.op("Mul", channels, constant([2]))
    assert elements_of(twice) == (6,)
    assert elements_of(builder.op("Div", channels, constant([2]))) == (1,)
    assert elements_of(builder.op("Sub", shape, constant([1, 1, 0, 0]))) == (None, 2, "H", "W")
    joined = builder.op("Concat", vector, twice, constant([-1]), attributes={"axis": 0})
    assert elements_of(joined) == ("N", 6, -1)
    # torch's expand: a size of −1 is taken from the array, another is the wanted one.
    flags = builder.op("Equal", joined, constant([-1]))
    assert elements_of(flags) == (0, 0, 1)
    chosen = builder.op("Where", flags, constant([1, 1, 1]), joined)
    assert elements_of(chosen) == ("N", 6, 1)


def test_what_is_not_known_stays_open() -> None:
    builder, shape = builder_with_shape("N", "M")
    product = builder.op("Mul", shape, builder.op("Gather", shape, builder.constant([1, 0])))
    assert elements_of(product) == (None, None)
    # Two names may stand for one number.
    assert elements_of(builder.op("Equal", shape, builder.op("Gather", shape, builder.constant([1, 0])))) == (
        None,
        None,
    )
    assert elements_of(builder.input("v", np.int64, (2,))) == (None, None)
    assert elements_of(builder.input("w", np.int64, ("k",))) is None
    assert elements_of(builder.constant(np.zeros(100, np.int64))) is None


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_arithmetic_agrees_with_numpy(data: st.DataObject) -> None:
    numbers = st.lists(st.integers(-9, 9), min_size=3, max_size=3)
    one, other = data.draw(numbers), data.draw(numbers)
    builder = GraphBuilder("g")
    name = data.draw(st.sampled_from(["Add", "Sub", "Mul", "Div"]))
    if name == "Div" and 0 in other:
        return
    a, b = np.asarray(one), np.asarray(other)
    expected = {"Add": a + b, "Sub": a - b, "Mul": a * b}.get(name)
    if expected is None:
        # ONNX's quotient of integers is cut off towards zero.
        expected = np.trunc(a / b).astype(np.int64)
    assert elements_of(builder.op(name, builder.constant(one), builder.constant(other))) == tuple(expected.tolist())


def test_targets() -> None:
    assert reshape_target(("N", 4, -1), ("N", 2, 2, 5)) == [0, 4, -1]
    assert reshape_target((None, 32), ("N", 17, 32)) == [-1, 32]
    assert reshape_target(("N", "M"), ("M", "N")) is None
    assert reshape_target((None, -1), ("M", "N")) is None
    assert expand_target(("N", 3, 4), ("N", 1, 4)) == [1, 3, 4]
    assert expand_target((2, "N", 3), ("N", 3)) == [2, 1, 3]
    assert expand_target(("N", 3), (1, 3)) is None


def heads() -> onnx.ModelProto:
    """x.view(x.shape[0], x.shape[1], 4, 8).transpose(1, 2), as torch's exporter writes it."""
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "zero"], ["n"]),
        helper.make_node("Shape", ["x"], ["t"]),
        helper.make_node("Gather", ["t", "one"], ["m"]),
        helper.make_node("Unsqueeze", ["n", "axis"], ["nv"]),
        helper.make_node("Unsqueeze", ["m", "axis"], ["mv"]),
        helper.make_node("Concat", ["nv", "mv", "rest"], ["to"], axis=0),
        helper.make_node("Reshape", ["x", "to"], ["h"]),
        helper.make_node("Transpose", ["h"], ["y"], perm=[0, 2, 1, 3]),
    ]
    weights = {"zero": np.array(0), "one": np.array(1), "axis": np.array([0]), "rest": np.array([4, 8])}
    return model_of(nodes, {"x": (FLOAT, ("N", "S", 32))}, {"y": (FLOAT, None)}, weights)


def test_a_reshape_over_open_sizes_needs_no_shape() -> None:
    source = import_onnx(heads())
    assert operators(source) == ["Reshape", "Transpose"]
    assert shape_of(source.model.graph.outputs[0]) == ("N", 4, "S", 8)
    for shape in ((1, 3, 32), (2, 5, 32)):
        x = normal(*shape)
        assert np.array_equal(run(heads(), {"x": x})[0], run(source, {"x": x})[0])


@pytest.mark.parametrize("shape", [("N", 3, 4, 4), (1, 3, "H", "W")])
def test_a_resize_to_sizes_of_which_some_are_open(shape: tuple[int | str, ...]) -> None:
    nodes = [
        helper.make_node("Shape", ["x"], ["s"], start=0, end=2),
        helper.make_node("Concat", ["s", "size"], ["sizes"], axis=0),
        helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], mode="nearest"),
    ]
    model = model_of(nodes, {"x": (FLOAT, shape)}, {"y": (FLOAT, None)}, {"size": np.array([8, 12])})
    source = import_onnx(model)
    assert operators(source) == ["Resize"]
    x = normal(1, 3, 4, 4)
    assert np.array_equal(run(model, {"x": x})[0], run(source, {"x": x})[0])


def test_an_expand_of_a_token_over_an_open_batch() -> None:
    nodes = [
        helper.make_node("Shape", ["x"], ["s"], start=0, end=1),
        helper.make_node("Concat", ["s", "rest"], ["to"], axis=0),
        helper.make_node("Expand", ["token", "to"], ["e"]),
        helper.make_node("Concat", ["e", "x"], ["y"], axis=1),
    ]
    weights = {"rest": np.array([1, 8]), "token": normal(1, 1, 8)}
    model = model_of(nodes, {"x": (FLOAT, ("N", 5, 8))}, {"y": (FLOAT, None)}, weights)
    source = import_onnx(model)
    assert "Expand" in operators(source)
    x = normal(3, 5, 8)
    assert np.array_equal(run(model, {"x": x})[0], run(source, {"x": x})[0])
