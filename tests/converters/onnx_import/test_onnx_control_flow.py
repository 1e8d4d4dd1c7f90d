"""If, Loop, Scan, functions, sequences and optional values of imported ONNX models."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_models import FLOAT, decibels, model_of, normal, operators, run

from mltoolkit.converters.onnx_import.importer import import_onnx
from mltoolkit.errors import InvalidModelError, UnsupportedLayersError

INT64, BOOL = TensorProto.INT64, TensorProto.BOOL


def graph(
    nodes: list[onnx.NodeProto],
    inputs: dict[str, tuple[int, Any]],
    outputs: dict[str, tuple[int, Any]],
    weights: dict[str, Any] | None = None,
) -> onnx.GraphProto:
    return model_of(nodes, inputs, outputs, weights).graph


def branches() -> dict[str, onnx.GraphProto]:
    then = graph([helper.make_node("Relu", ["x"], ["t"])], {}, {"t": (FLOAT, None)})
    other = graph(
        [helper.make_node("Mul", ["x", "two"], ["e"])], {}, {"e": (FLOAT, None)}, {"two": np.array([2.0], np.float32)}
    )
    return {"then_branch": then, "else_branch": other}


@pytest.mark.parametrize("condition", [True, False])
def test_a_branch_that_is_decided_is_walked_in_place(condition: bool) -> None:
    node = helper.make_node("If", ["c"], ["y"], **branches())
    source = import_onnx(model_of([node], {"x": (FLOAT, (3,))}, ["y"], {"c": np.array(condition)}))
    assert operators(source) == (["Relu"] if condition else ["Mul"])
    assert source.model.graph.outputs[0].name == "y"


def test_a_branch_that_depends_on_sizes_is_decided_too() -> None:
    nodes = [
        helper.make_node("Shape", ["x"], ["s"], start=0, end=1),
        helper.make_node("Equal", ["s", "three"], ["c"]),
        helper.make_node("If", ["c"], ["y"], **branches()),
    ]
    model = model_of(nodes, {"x": (FLOAT, ("n",))}, ["y"], {"three": np.array([3])})
    assert operators(import_onnx(model, input_shapes={"x": (3,)})) == ["Relu"]
    assert operators(import_onnx(model, input_shapes={"x": (4,)})) == ["Mul"]


@pytest.mark.parametrize("shape", [(), (1,)])
def test_an_open_branch(shape: tuple[int, ...]) -> None:
    node = helper.make_node("If", ["c"], ["y"], **branches())
    source = import_onnx(model_of([node], {"x": (FLOAT, (3,)), "c": (BOOL, shape)}, ["y"]))
    assert "If" in operators(source)
    x = normal(3)
    for condition, expected in ((True, np.maximum(x, 0)), (False, 2 * x)):
        (got,) = run(source, {"x": x, "c": np.full(shape, condition)})
        assert np.array_equal(got, expected)


def loop(turns: int | None, *, stops: bool = False) -> onnx.ModelProto:
    """y doubles each turn; s collects it."""
    nodes = [helper.make_node("Add", ["v", "v"], ["w"]), helper.make_node("Identity", ["w"], ["s_"])]
    if stops:
        nodes += [
            helper.make_node("ReduceMax", ["w"], ["m"], keepdims=0),
            helper.make_node("Less", ["m", "limit"], ["g_"]),
        ]
    else:
        nodes += [helper.make_node("Identity", ["g"], ["g_"])]
    body = graph(
        nodes,
        {"i": (INT64, ()), "g": (BOOL, ()), "v": (FLOAT, (2,))},
        {"g_": (BOOL, ()), "w": (FLOAT, (2,)), "s_": (FLOAT, (2,))},
        {"limit": np.float32(9)},
    )
    inputs: dict[str, Any] = {"x": (FLOAT, (2,))}
    weights: dict[str, Any] = {"go": np.array(True)}
    if turns is None:
        inputs["n"] = (INT64, (1,))
    else:
        weights["n"] = np.array(turns)
    node = helper.make_node("Loop", ["n", "go", "x"], ["y", "s"], body=body)
    return model_of([node], inputs, {"y": (FLOAT, (2,)), "s": (FLOAT, None)}, weights)


def test_a_loop_of_known_length_is_unrolled() -> None:
    model = loop(4)
    source = import_onnx(model)
    assert "Loop" not in operators(source)
    x = normal(2)
    for expected, got in zip(run(model, {"x": x}), run(source, {"x": x}), strict=True):
        assert np.array_equal(expected, got)


@pytest.mark.parametrize("model", [loop(None), loop(6, stops=True)], ids=["open length", "stops by itself"])
def test_an_open_loop(model: onnx.ModelProto) -> None:
    source = import_onnx(model)
    assert "Loop" in operators(source)
    feeds = {"x": np.array([1, 0.5], np.float32), "n": np.array([3])}
    for expected, got in zip(run(model, feeds), run(source, feeds), strict=True):
        assert np.array_equal(expected, got)


def test_a_loop_whose_carried_value_grows() -> None:
    body = graph(
        [helper.make_node("Concat", ["v", "x"], ["w"], axis=0), helper.make_node("Identity", ["g"], ["g_"])],
        {"i": (INT64, ()), "g": (BOOL, ()), "v": (FLOAT, None)},
        {"g_": (BOOL, ()), "w": (FLOAT, None)},
    )
    node = helper.make_node("Loop", ["n", "", "x"], ["y"], body=body)
    source = import_onnx(model_of([node], {"x": (FLOAT, (2,)), "n": (INT64, ())}, {"y": (FLOAT, None)}))
    x = normal(2)
    (got,) = run(source, {"x": x, "n": np.array(3)})
    assert np.array_equal(got, np.tile(x, 4))


@pytest.mark.parametrize("backwards", [0, 1])
def test_a_scan_is_unrolled(backwards: int) -> None:
    body = graph(
        [helper.make_node("Add", ["state", "row"], ["next"]), helper.make_node("Mul", ["next", "next"], ["out"])],
        {"state": (FLOAT, (3,)), "row": (FLOAT, (3,))},
        {"next": (FLOAT, (3,)), "out": (FLOAT, (3,))},
    )
    attributes = {"scan_input_directions": [backwards], "scan_output_directions": [backwards]}
    attributes |= {"scan_input_axes": [1], "scan_output_axes": [-1]}
    node = helper.make_node("Scan", ["first", "x"], ["y", "all"], body=body, num_scan_inputs=1, **attributes)
    infos = {"first": (FLOAT, (3,)), "x": (FLOAT, (3, 5))}
    model = model_of([node], infos, {"y": (FLOAT, (3,)), "all": (FLOAT, (3, 5))})
    source = import_onnx(model)
    assert "Scan" not in operators(source)
    feeds = {"first": normal(3), "x": normal(3, 5, seed=1)}
    for expected, got in zip(run(model, feeds), run(source, feeds), strict=True):
        assert decibels(expected, got) > 120


def test_functions_of_the_model_with_attributes_and_inside_each_other() -> None:
    scaled = helper.make_node("LeakyRelu", ["a"], ["b"])
    scaled.attribute.append(onnx.AttributeProto(name="alpha", ref_attr_name="slope", type=onnx.AttributeProto.FLOAT))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    inner = helper.make_function("mine", "Inner", ["a"], ["b"], [scaled], opsets, ["slope"])
    calls = [
        helper.make_node("Inner", ["p"], ["q"], domain="mine", slope=0.25),
        helper.make_node("Add", ["q", "p"], ["r"]),
    ]
    outer = helper.make_function("mine", "Outer", ["p"], ["r"], calls, opsets)
    nodes = [
        helper.make_node("Outer", ["x"], ["h"], domain="mine", name="first"),
        helper.make_node("Outer", ["h"], ["y"], domain="mine", name="second"),
    ]
    model = model_of(nodes, {"x": (FLOAT, (4,))}, ["y"], domains=[("mine", 1)], functions=[inner, outer])
    source = import_onnx(model)
    assert operators(source) == ["LeakyRelu", "Add"] * 2
    assert [layer.name for layer in source.layers] == ["first", "second"]
    x = normal(4)
    assert np.array_equal(run(model, {"x": x})[0], run(source, {"x": x})[0])


def test_a_function_that_calls_itself() -> None:
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    again = helper.make_function(
        "mine", "F", ["a"], ["b"], [helper.make_node("F", ["a"], ["b"], domain="mine")], opsets
    )
    node = helper.make_node("F", ["x"], ["y"], domain="mine")
    model = model_of([node], {"x": (FLOAT, (4,))}, ["y"], domains=[("mine", 1)], functions=[again])
    with pytest.raises(InvalidModelError, match="'F' calls itself"):
        import_onnx(model)


def test_sequences_leave_no_trace() -> None:
    nodes = [
        helper.make_node("SplitToSequence", ["x", "three"], ["s"], axis=1),
        helper.make_node("SequenceInsert", ["s", "z", "one"], ["t"]),
        helper.make_node("SequenceErase", ["t", "zero"], ["u"]),
        helper.make_node("SequenceAt", ["u", "last"], ["a"]),
        helper.make_node("SequenceLength", ["u"], ["n"]),
        helper.make_node("ConcatFromSequence", ["u"], ["c"], axis=-1),
        helper.make_node("SequenceConstruct", ["a", "a"], ["v"]),
        helper.make_node("ConcatFromSequence", ["v"], ["d"], axis=0, new_axis=1),
    ]
    weights = {"three": np.array(3), "zero": np.array(0), "one": np.array(1), "last": np.array(-1)}
    outputs = {"c": (FLOAT, None), "d": (FLOAT, None), "n": (INT64, ())}
    model = model_of(nodes, {"x": (FLOAT, (2, 8)), "z": (FLOAT, (2, 4))}, outputs, weights)
    source = import_onnx(model)
    feeds = {"x": normal(2, 8), "z": normal(2, 4, seed=1)}
    for expected, got in zip(run(model, feeds), run(source, feeds), strict=True):
        assert np.array_equal(expected, got)
    assert not any("Sequence" in operator for operator in operators(source))


def test_a_sequence_whose_members_are_open_is_refused() -> None:
    nodes = [
        helper.make_node("SplitToSequence", ["x", "size"], ["s"], axis=0),
        helper.make_node("ConcatFromSequence", ["s"], ["y"], axis=0),
    ]
    model = model_of(nodes, {"x": (FLOAT, (4,)), "size": (INT64, ())}, ["y"])
    with pytest.raises(UnsupportedLayersError, match="SplitToSequence") as caught:
        import_onnx(model)
    # What only fails because of what stands before it is not reported.
    assert [layer.class_name for layer in caught.value.layers] == ["SplitToSequence"]


def test_optional_values_are_decided() -> None:
    nodes = [
        helper.make_node("Optional", ["x"], ["o"]),
        helper.make_node("OptionalHasElement", ["o"], ["h"]),
        helper.make_node("OptionalGetElement", ["o"], ["y"]),
    ]
    source = import_onnx(model_of(nodes, {"x": (FLOAT, (2,))}, {"y": (FLOAT, (2,)), "h": (BOOL, ())}, opset=18))
    y, has = run(source, {"x": np.ones(2, np.float32)})
    assert y.tolist() == [1, 1]
    assert bool(has)
