"""What is read from a file: nodes, edges, inner graphs, parameters, weights; both formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mil_packages import adding_program, two_functions
from mil_programs import Ref, add_operation, counter, new_program, tensor_type
from shown_models import add, branching_model, dense, network_spec, relu, residual_model, sum_of

from mltoolkit import load
from mltoolkit.formats.weight_fields import iter_weight_fields
from mltoolkit.formats.weights import read_weight
from mltoolkit.model import Model
from mltoolkit.visualization.graph import LayerGraph, Node
from mltoolkit.visualization.model_layers import model_graph
from mltoolkit.visualization.weight_matching import look_at_weights


def edges_of(graph: LayerGraph) -> list[tuple[str, str, str, str]]:
    return [(edge.source.name, edge.target.name, edge.value, edge.shape) for edge in graph.edges]


def node_of(graph: LayerGraph, name: str) -> Node:
    return next(node for _, node in graph.walk() if node.name == name and node.kind == "layer")


def test_edges_of_a_network() -> None:
    graph, remarks = model_graph(residual_model(2))
    assert remarks == ()
    assert edges_of(graph) == [
        ("x", "dense 0", "x", "8"),
        ("dense 0", "relu 0", "d0", "8"),
        ("relu 0", "sum 0", "r0", "8"),
        ("x", "sum 0", "x", "8"),
        ("sum 0", "dense 1", "s0", "8"),
        ("dense 1", "relu 1", "d1", "8"),
        ("relu 1", "sum 1", "r1", "8"),
        ("sum 0", "sum 1", "s0", "8"),
        ("sum 1", "y", "y", "8"),
    ]


def test_a_blob_comes_from_the_last_layer_that_made_it() -> None:
    spec = network_spec()
    layers = spec.neuralNetwork.layers
    dense(layers, "make", "x", "b")
    relu(layers, "overwrite", "b", "b")
    sum_of(layers, "twice", ["b", "b"], "y")
    graph, _ = model_graph(Model.from_spec(spec))
    found = [edge[:3] for edge in edges_of(graph)]
    # A value that a layer reads twice is one edge.
    assert found == [("x", "make", "x"), ("make", "overwrite", "b"), ("overwrite", "twice", "b"), ("twice", "y", "y")]


def test_what_a_branch_reads_and_makes_passes_its_border() -> None:
    graph, _ = model_graph(branching_model())
    choose, repeat = node_of(graph, "choose"), node_of(graph, "repeat")
    assert [inner.title for inner in choose.graphs] == ["if", "else"]
    outer = {edge[:3] for edge in edges_of(graph)}
    assert {("peak", "choose", "p"), ("first", "choose", "h"), ("choose", "repeat", "b")} <= outer
    assert {("first", "repeat", "h"), ("repeat", "last", "b")} <= outer
    assert edges_of(choose.graphs[0]) == [("h", "rectify", "h", "8"), ("rectify", "b", "b", "8")]
    assert [edge[:2] for edge in edges_of(choose.graphs[1])] == [
        ("h", "turn"),
        ("turn", "rectify too"),
        ("rectify too", "b"),
    ]
    # The loop hands b to its next iteration.
    assert {edge[:2] for edge in edges_of(repeat.graphs[0])} == {("b", "grow"), ("h", "grow"), ("grow", "b")}
    assert [weight.name for weight in node_of(graph, "turn").weights] == ["weights", "bias"]


def test_a_custom_layer_says_what_it_needs() -> None:
    spec = network_spec()
    params = add(spec.neuralNetwork.layers, "custom", "c", ["x"], ["y"])
    params.className, params.description = "NoSuchClass", "does something"
    params.parameters["alpha"].doubleValue = 0.5
    params.parameters["on"].boolValue = True
    params.parameters["word"].stringValue = ""
    params.weights.add().floatValue.extend([1.0, 2.0])
    params.weights.add().rawValue = b"abc"
    graph, remarks = model_graph(Model.from_spec(spec))
    node = node_of(graph, "c")
    assert (node.class_name, node.description, node.family) == ("NoSuchClass", "does something", "custom")
    assert node.parameters == [("alpha", "0.5"), ("on", "true"), ("word", '""')]
    assert [weight.storage for weight in node.weights] == ["float32", "raw bytes"]
    look_at_weights(graph, None, None)
    assert node.weights[0].figures is not None and node.weights[1].figures is None
    # Without its class the model cannot run: it is still shown.
    assert "NoSuchClass" in remarks[0]


def test_shapes_are_known_of_what_does_not_depend_on_a_layer_without_class() -> None:
    spec = network_spec()
    layers = spec.neuralNetwork.layers
    dense(layers, "first", "x", "a")
    add(layers, "custom", "middle", ["a"], ["b"]).className = "NoSuchClass"
    relu(layers, "after", "b", "c")
    relu(layers, "beside", "a", "d")
    branch = add(layers, "branch", "choose", ["d"], [])
    sum_of(branch.ifBranch.layers, "sum", ["a", "c"], "e")
    relu(branch.elseBranch.layers, "rectify", "d", "e")
    # The name is used again: what reads it now depends on nothing that is missing.
    dense(layers, "anew", "d", "c", seed=2)
    relu(layers, "last", "c", "f")
    sum_of(layers, "join", ["e", "f"], "y")
    graph, remarks = model_graph(Model.from_spec(spec))
    assert edges_of(graph) == [
        ("x", "first", "x", "8"),
        ("first", "middle", "a", "8"),
        ("middle", "after", "b", ""),
        ("first", "beside", "a", "8"),
        ("beside", "choose", "d", "8"),
        ("first", "choose", "a", "8"),
        ("after", "choose", "c", ""),
        ("beside", "anew", "d", "8"),
        ("anew", "last", "c", "8"),
        ("choose", "join", "e", ""),
        ("last", "join", "f", "8"),
        # What the model says of its output.
        ("join", "y", "y", "float32 8"),
    ]
    assert remarks[0].startswith("Shapes are not shown for the layer 'middle' and what depends on it: ")
    assert "NoSuchClass" in remarks[0]


def test_shapes_are_known_of_what_does_not_depend_on_a_layer_that_fails() -> None:
    spec = network_spec()
    layers = spec.neuralNetwork.layers
    dense(layers, "first", "x", "a")
    dense(layers, "wrong", "a", "b", size=5)
    relu(layers, "beside", "a", "c")
    sum_of(layers, "join", ["b", "c"], "y")
    graph, remarks = model_graph(Model.from_spec(spec))
    assert [edge[1:] for edge in edges_of(graph)] == [
        ("first", "x", "8"),
        ("wrong", "a", "8"),
        ("beside", "a", "8"),
        ("join", "b", ""),
        ("join", "c", "8"),
        ("y", "y", "float32 8"),
    ]
    assert remarks[0].startswith("Shapes are not shown for the layer 'wrong' and what depends on it: ")


def test_parameters_name_choices_and_leave_out_weights() -> None:
    spec = network_spec()
    pooling = add(spec.neuralNetwork.layers, "pooling", "pool", ["x"], ["p"])
    pooling.kernelSize.extend([2, 3])
    pooling.valid.SetInParent()
    dense(spec.neuralNetwork.layers, "fc", "p", "y")
    graph, _ = model_graph(Model.from_spec(spec))
    pool = node_of(graph, "pool")
    # MAX is the first choice, which no file stores.
    assert pool.variant == "MAX"
    assert {("type", "MAX"), ("kernelSize", "[2, 3]"), ("valid", "yes")} <= set(pool.parameters)
    assert dict(node_of(graph, "fc").parameters) == {"inputChannels": "8", "outputChannels": "8", "hasBias": "true"}


def test_a_tree_of_a_million_nodes_has_few_parameters() -> None:
    spec = network_spec()
    spec.ClearField("neuralNetwork")
    nodes = spec.treeEnsembleRegressor.treeEnsemble.nodes
    for index in range(20_000):
        nodes.add(treeId=0, nodeId=index)
    graph, _ = model_graph(Model.from_spec(spec))
    parameters = node_of(graph, "treeEnsembleRegressor").parameters
    assert len(parameters) <= 61
    assert any(text.startswith("20,000") for _, text in parameters)


@pytest.mark.parametrize("file", ["SqueezeNetInt8LUT.mlmodel", "activity_lstm_mariozusag.mlmodel"])
def test_weights_are_those_of_the_file(shared_data: Path, file: str) -> None:
    model = load(shared_data / "coreml" / file)
    graph, _ = model_graph(model)
    fields = list(iter_weight_fields(model.spec))
    views = [weight for _, node in graph.walk() for weight in node.weights]
    assert len(views) == len(fields)
    for view, field in zip(views, fields, strict=True):
        assert (view.name, view.shape) == (field.name, field.shape)
        expected = read_weight(field.params, field.shape, field.where, field.channel_axis)
        assert np.array_equal(view.values(), expected)
    assert sum(view.bytes for view in views) == model.summary().total.bytes


def test_a_program_reads_weights_from_its_file(tmp_path: Path) -> None:
    spec, weight = adding_program(tmp_path)
    model = Model.from_spec(spec, weights_dir=tmp_path)
    graph, _ = model_graph(model)
    assert edges_of(graph) == [("x", "y", "x", "40"), ("y", "y", "y", "40")]
    (view,) = node_of(graph, "y").weights
    assert (view.name, view.shape, view.storage, view.bits, view.bytes) == ("y", (40,), "float32", 32, 160)
    assert np.array_equal(view.values(), weight)


def test_a_weight_whose_file_is_missing_is_shown_without_values(tmp_path: Path) -> None:
    spec, _ = adding_program(tmp_path)
    graph, remarks = model_graph(Model.from_spec(spec))
    look_at_weights(graph, None, None)
    (view,) = node_of(graph, "y").weights
    assert view.figures is None and "weight.bin" in view.remark
    assert "Shapes are not shown" in remarks[0]
    # Those that the program itself states are.
    assert [edge.shape for edge in graph.edges] == ["float32 40", "40"]


def test_the_chosen_function_is_shown(tmp_path: Path) -> None:
    spec, _ = two_functions(tmp_path)
    model = Model.from_spec(spec, weights_dir=tmp_path)
    for name, function in model.functions.items():
        types = [node.type for _, node in model_graph(function)[0].walk() if node.kind == "layer"]
        assert types == (["add"] if name == "plus" else ["mul", "add"])


def compressed() -> tuple[Any, np.ndarray]:
    """y = (x + w) · w, w being 8-bit codes with a scale."""
    spec, block = new_program({"x": ("float32", (3, 4))}, {"y": ("float32", (3, 4))})
    codes = np.arange(12, dtype=np.uint8).reshape(3, 4)
    given = {"quantized_data": codes, "scale": np.float32(0.5), "zero_point": np.uint8(2), "axis": np.int32(0)}
    add_operation(block, "constexpr_affine_dequantize", {}, {"w": ("float32", (3, 4))}, given)
    add_operation(block, "add", {"x": Ref("x"), "y": Ref("w")}, {"s": ("float32", (3, 4))})
    add_operation(block, "mul", {"x": Ref("s"), "y": Ref("w")}, {"y": ("float32", (3, 4))})
    return spec, np.float32(0.5) * (codes.astype(np.float32) - 2)


def test_a_compressed_weight_is_decoded_and_counted_once() -> None:
    spec, expected = compressed()
    graph, _ = model_graph(Model.from_spec(spec))
    first, second = node_of(graph, "s").weights[0], node_of(graph, "y").weights[0]
    assert (first.storage, first.bits, first.shared_with) == ("linear 8 bits", 8, "")
    assert second.shared_with == "s"
    assert np.array_equal(first.values(), expected)
    assert [edge[:3] for edge in edges_of(graph)] == [("x", "s", "x"), ("s", "y", "s"), ("y", "y", "y")]


def test_small_constants_are_parameters() -> None:
    spec, block = new_program({"x": ("float32", (2, 3))}, {"y": ("float32", (3, 2))})
    add_operation(block, "const", {}, {"perm": ("int32", (2,))}, {"val": np.array([1, 0], dtype=np.int32)})
    add_operation(block, "transpose", {"x": Ref("x"), "perm": Ref("perm")}, {"t": ("float32", (3, 2))})
    add_operation(block, "leaky_relu", {"x": Ref("t"), "alpha": np.float32(0.25)}, {"y": ("float32", (3, 2))})
    graph, _ = model_graph(Model.from_spec(spec))
    assert node_of(graph, "t").parameters == [("perm", "[1, 0]")]
    assert node_of(graph, "y").parameters == [("alpha", "0.25")]


def test_states_come_in_as_such() -> None:
    graph, _ = model_graph(Model(counter()))
    assert {(node.name, node.type) for node in graph.nodes if node.kind == "input"} == {
        ("x", "input"),
        ("total", "state"),
    }
    readers = [edge.target.type for edge in graph.edges if edge.source.name == "total"]
    assert readers == ["read_state", "write_state", "read_state"]


def looping() -> Any:
    """i = 0; while i < 3: i += 1; v = v · x."""
    spec, block = new_program({"x": ("float32", (2,))}, {"v_out": ("float32", (2,))})
    add_operation(block, "relu", {"x": Ref("x")}, {"start": ("float32", (2,))})
    loop = add_operation(
        block,
        "while_loop",
        {"loop_vars": [Ref("start")]},
        {"v_out": ("float32", (2,))},
    )
    condition, body = loop.blocks.add(), loop.blocks.add()
    for inner in (condition, body):
        inner.inputs.add(name="v", type=tensor_type("float32", (2,)))
    add_operation(condition, "reduce_sum", {"x": Ref("v")}, {"total": ("float32", ())})
    add_operation(condition, "less", {"x": Ref("total"), "y": np.float32(100)}, {"goes_on": ("bool", ())})
    condition.outputs.append("goes_on")
    add_operation(body, "const", {}, {"step": ("float32", (2,))}, {"val": np.float32([1, 2])})
    add_operation(body, "add", {"x": Ref("v"), "y": Ref("step")}, {"more": ("float32", (2,))})
    add_operation(body, "add", {"x": Ref("more"), "y": Ref("x")}, {"next": ("float32", (2,))})
    body.outputs.append("next")
    return spec


def test_a_loop_of_a_program() -> None:
    graph, remarks = model_graph(Model(looping()))
    assert remarks == ()
    loop = node_of(graph, "v_out")
    # x is read inside only.
    assert [edge[:3] for edge in edges_of(graph)] == [
        ("x", "start", "x"),
        ("start", "v_out", "start"),
        ("x", "v_out", "x"),
        ("v_out", "v_out", "v_out"),
    ]
    condition, body = loop.graphs
    assert [edge[:3] for edge in edges_of(condition)] == [
        ("v", "total", "v"),
        ("total", "goes_on", "total"),
        ("goes_on", "goes_on", "goes_on"),
    ]
    assert ("x", "next", "x", "2") in edges_of(body)
    assert [weight.name for weight in node_of(graph, "more").weights] == ["y"]


def test_every_real_model_can_be_read(shared_data: Path) -> None:
    for path in sorted((shared_data / "coreml").iterdir()):
        model = load(path)
        graph, _ = model_graph(model)
        layers = [node for _, node in graph.walk() if node.kind == "layer"]
        expected = len(model.summary().layers) or sum(
            len(stage.layers) or 1 for stage in model.summary().stages.values()
        )
        assert len(layers) == expected, path.name
