"""Branches and loops against a plain interpreter of the same layers (networks.py); exact: float32 on both."""

from __future__ import annotations

import numpy as np
import pytest
from networks import (
    branch_layer,
    constant_layer,
    copy_layer,
    interpret,
    joined_layer,
    leaving,
    less_than,
    loop_layer,
    network,
    scaled,
    sum_layer,
)
from running import new_layer

import mltoolkit as mlt
from mltoolkit.converters.neural_network.network import network_to_graph
from mltoolkit.errors import InvalidModelError, UnsupportedModelError

ONE = np.ones(1, dtype=np.float32)


def check(layers, inputs, *outputs, shapes=None):
    """Both ways of running a network give the same outputs for all these inputs."""
    inputs = [{name: np.float32(value) for name, value in given.items()} for given in inputs]
    described = {name: value.shape for name, value in inputs[0].items()}
    model = mlt.load(network(layers, described | (shapes or {}), outputs))
    for given in inputs:
        expected = interpret(layers, dict(given))
        found = model.predict(given)
        for name in outputs:
            assert found[name].shape == expected[name].shape, f"{name}: {given}"
            np.testing.assert_array_equal(found[name], expected[name], err_msg=f"{name}: {given}")


def test_branch_with_two_ways():
    layers = [
        less_than("p", "small", 0.5),
        branch_layer("small", [scaled("x", "y", 2)], [scaled("x", "y", -1, 3), scaled("y", "z", 1)]),
        sum_layer("x", "y", "sum"),
    ]
    check(layers, [{"p": ONE * p, "x": [1, 2, 3]} for p in (0, 1)], "y", "sum")


@pytest.mark.parametrize(("pair", "expected"), [((1, 0), 2), ((0, 1), 3)])
def test_the_first_of_several_numbers_decides(pair, expected):
    layer = branch_layer("pair", [scaled("x", "y", 2)], [scaled("x", "y", 3)])
    model = mlt.load(network([layer], {"x": (1,), "pair": (2,)}, ["y"]))
    found = model.predict({"x": np.ones(1), "pair": np.array(pair, dtype=np.float32)})["y"]
    assert found.tolist() == [expected]


def test_branch_overwrites_what_was_there():
    layers = [
        copy_layer("x", "y"),
        branch_layer("p", [scaled("x", "made", 5), copy_layer("made", "y")]),
        scaled("y", "z", 1, 1),
    ]
    check(layers, [{"p": ONE * p, "x": [1, 2]} for p in (0, 1, -1e-7, -1)], "y", "z")


def test_branches_of_different_shapes():
    layers = [
        copy_layer("x", "y"),
        branch_layer("p", [joined_layer("x", "x", "twice"), copy_layer("twice", "y")]),
        scaled("y", "z", 2),
    ]
    check(layers, [{"p": ONE * p, "x": [1, 2]} for p in (0, 1)], "y", "z")


def test_branches_of_different_ranks():
    layer, params = new_layer("expandDims", ["x"], ["y"])
    params.axes.append(0)
    layers = [branch_layer("p", [layer], [scaled("x", "y", 2)])]
    model = mlt.load(network(layers, {"p": (1,), "x": (3,)}, ["y"]))
    x = np.arange(3, dtype=np.float32)
    assert model.predict({"p": ONE, "x": x})["y"].shape == (1, 3)
    np.testing.assert_array_equal(model.predict({"p": 0 * ONE, "x": x})["y"], 2 * x)


def test_what_only_one_way_makes_is_not_there_afterwards():
    layers = [branch_layer("p", [scaled("x", "y", 2)]), scaled("y", "z", 1)]
    with pytest.raises(InvalidModelError, match="nothing before the layer makes its input 'y'"):
        network_to_graph(network(layers, {"p": (1,), "x": (3,)}, ["z"]))


def test_nested_branches():
    inner = branch_layer("q", [scaled("x", "y", 2)], [scaled("x", "y", 3)])
    layers = [branch_layer("p", [inner], [scaled("x", "y", 5)])]
    check(layers, [{"p": ONE * p, "q": ONE * q, "x": [1, 2]} for p in (0, 1) for q in (0, 1)], "y")


def test_a_branch_on_a_constant_is_decided_beforehand():
    for value, factor in ((0, 3), (1, 2)):
        layers = [
            constant_layer("p", [value]),
            branch_layer("p", [scaled("x", "y", 2)], [scaled("x", "y", 3)]),
        ]
        graph = network_to_graph(network(layers, {"x": (2,)}, ["y"]))
        assert "If" not in {node.op_type for node in graph.model.graph}
        assert [layer.type for layer in graph.layers] == [
            "loadConstantND",
            "branch",
            "activation",
            "activation",
        ]
        assert [bool(layer.outputs) for layer in graph.layers[2:]] == [value == 1, value == 0]
        check(layers, [{"x": [1, 2]}], "y")
        assert factor == mlt.load(network(layers, {"x": (2,)}, ["y"])).predict({"x": np.float32([1, 2])})["y"][0]


def test_for_loop():
    body = [scaled("x", "next", 2, 1), copy_layer("next", "x2"), copy_layer("next", "x")]
    layers = [copy_layer("data", "x"), loop_layer(body, most=5), scaled("x", "y", 1)]
    check(layers, [{"data": [1, 2]}], "y", "x2")


@pytest.mark.parametrize("count", [0, 1, 7])
def test_for_loop_with_a_given_count(count):
    body = [scaled("x", "next", 2, 1), copy_layer("next", "x")]
    layers = [copy_layer("data", "x"), loop_layer(body, count="count", most=3), scaled("x", "y", 1)]
    check(layers, [{"data": [1, 2], "count": ONE * count}], "y")


def while_layers(**options):
    """Doubles x while it is below 50."""
    body = [scaled("x", "next", 2), copy_layer("next", "x"), scaled("n", "n1", 1, 1), copy_layer("n1", "n")]
    return [
        constant_layer("n", [0]),
        copy_layer("data", "x"),
        loop_layer(body, condition=[less_than("x", "go", 50)], **options),
        sum_layer("x", "n", "y"),
    ]


def test_while_loop():
    check(while_layers(), [{"data": ONE * start} for start in (1, 7, 49, 50, 100)], "y", "n", "go")


def test_while_loop_with_a_largest_count():
    check(while_layers(most=3), [{"data": ONE * start} for start in (1, 20, 100)], "y", "n", "go")


def test_a_condition_that_is_false_beforehand():
    layers = [
        copy_layer("data", "x"),
        loop_layer([copy_layer("go", "x")], condition=[constant_layer("go", [0])]),
        scaled("x", "y", 2),
    ]
    graph = network_to_graph(network(layers, {"data": (2,)}, ["y"]))
    assert "Loop" not in {node.op_type for node in graph.model.graph}
    check(layers, [{"data": [1, 2]}], "y")


def test_a_loop_that_makes_blobs_longer():
    body = [joined_layer("x", "data", "next"), copy_layer("next", "x")]
    layers = [copy_layer("data", "x"), loop_layer(body, most=4), scaled("x", "y", 1)]
    check(layers, [{"data": [1, 2]}], "y")
    graph = network_to_graph(network(layers, {"data": (2,)}, ["y"]))
    assert graph.layers[-1].outputs[0].shape == (None,)


def test_sizes_that_stay_are_known_after_a_loop():
    body = [scaled("x", "next", 2), copy_layer("next", "x")]
    layers = [copy_layer("data", "x"), loop_layer(body, most=4), scaled("x", "y", 1)]
    graph = network_to_graph(network(layers, {"data": (2,)}, ["y"]))
    assert graph.layers[-1].outputs[0].shape == (2,)
    # Each attempt at the body leaves nothing behind.
    assert len(graph.model.graph.initializers) == len(set(graph.model.graph.initializers))
    assert not [value for value in graph.model.graph.initializers.values() if not value.uses()]


def leaving_body(kind, where):
    """x doubles, and y sums what the end of each iteration sees; from 10 on the iteration is left early."""
    leave = [less_than("x", "small", 10), branch_layer("small", [scaled("x", "t", 0)], [leaving(kind)])]
    if where == "nested":
        leave = [
            less_than("x", "small", 10),
            less_than("x", "tiny", 5),
            branch_layer("small", [branch_layer("tiny", [scaled("x", "u", 0)], [leaving(kind)])]),
        ]
    double = [scaled("x", "next", 2), copy_layer("next", "x")]
    return [*double, *leave, sum_layer("y", "x", "sum"), copy_layer("sum", "y")]


@pytest.mark.parametrize("kind", ["loopBreak", "loopContinue"])
@pytest.mark.parametrize("where", ["branch", "nested"])
@pytest.mark.parametrize("conditional", [False, True])
def test_leaving_a_loop(kind, where, conditional):
    condition = [less_than("x", "go", 1000)] if conditional else []
    loop = loop_layer(leaving_body(kind, where), condition=condition, most=0 if conditional else 6)
    layers = [constant_layer("y", [0]), copy_layer("data", "x"), loop, sum_layer("x", "y", "z")]
    check(layers, [{"data": ONE * start} for start in (0.5, 1, 3, 600)], "x", "y", "z")


@pytest.mark.parametrize("kind", ["loopBreak", "loopContinue"])
def test_layers_after_an_unconditional_exit_never_run(kind):
    body = [scaled("x", "next", 2), copy_layer("next", "x"), leaving(kind), copy_layer("data", "x")]
    layers = [copy_layer("data", "x"), loop_layer(body, most=3), scaled("x", "y", 1)]
    check(layers, [{"data": ONE * 5}], "y")
    graph = network_to_graph(network(layers, {"data": (1,)}, ["y"]))
    assert [layer.name for layer in graph.layers if not layer.outputs] == ["the loop", kind, "copy data to x"]


def test_several_exits_one_after_the_other():
    body = [
        scaled("x", "next", 1, 1),
        copy_layer("next", "x"),
        less_than("x", "a", 3),
        branch_layer("a", [leaving("loopContinue")]),
        sum_layer("y", "x", "y1"),
        copy_layer("y1", "y"),
        less_than("x", "b", 6),
        branch_layer("b", [leaving("loopContinue")], [copy_layer("x", "last")]),
        less_than("x", "c", 8),
        branch_layer("c", [scaled("x", "t", 1)], [leaving("loopBreak")]),
        sum_layer("y", "x", "y2"),
        copy_layer("y2", "y"),
    ]
    start = [constant_layer("y", [0]), constant_layer("last", [0]), copy_layer("data", "x")]
    layers = [*start, loop_layer(body, most=20), sum_layer("y", "last", "z")]
    check(layers, [{"data": ONE * value} for value in (0, 4, 5.5, 9)], "y", "z", "x")


def test_loops_inside_loops_and_exits_of_the_inner_one():
    inner = loop_layer(
        [
            scaled("x", "more", 1, 1),
            copy_layer("more", "x"),
            less_than("x", "few", 9),
            branch_layer("few", [sum_layer("y", "x", "s"), copy_layer("s", "y")], [leaving("loopBreak")]),
        ],
        most=4,
    )
    outer = loop_layer([inner, scaled("y", "half", 0.5), copy_layer("half", "y")], most=3)
    layers = [constant_layer("y", [0]), copy_layer("data", "x"), outer, sum_layer("x", "y", "z")]
    check(layers, [{"data": ONE * value} for value in (0, 5, 20)], "x", "y", "z")


def test_loops_deep_inside_each_other_are_converted_in_reasonable_time():
    # Each level starts its own blob afresh and makes it longer: an attempt at a level needs two below it.
    layers = [scaled("data", "y", 1)]
    for level in range(14):
        name = f"x{level}"
        grows = [joined_layer(name, "data", f"{name} next"), copy_layer(f"{name} next", name)]
        layers = [copy_layer("data", name), loop_layer([*layers, *grows], most=2)]
    with pytest.raises(UnsupportedModelError, match="not settled after 500 attempts"):
        network_to_graph(network(layers, {"data": (1,)}, ["x0"]))


def test_a_blob_that_first_appears_in_the_loop_lives_on():
    layers = [
        copy_layer("data", "x"),
        loop_layer([scaled("x", "fresh", 2), copy_layer("fresh", "x")], most=3),
        scaled("fresh", "y", 1),
    ]
    check(layers, [{"data": [1, 2, 3]}], "y")


def test_a_list_that_grows_inside_a_branch_inside_a_loop():
    # How coremltools writes lists: a branch enlarges the array, a scatter writes an element.
    counter = [scaled("i", "i1", 1, 1), copy_layer("i1", "i")]
    grow = [joined_layer("list", "zero", "longer"), copy_layer("longer", "list")]
    scatter, _ = new_layer("scatter", ["list", "i", "i"], ["written"])
    shape, _ = new_layer("getShape", ["list"], ["length"])
    fits, _ = new_layer("lessThan", ["i", "length"], ["fits"])
    body = [
        shape,
        fits,
        branch_layer("fits", [scaled("i", "t", 1)], grow),
        scatter,
        copy_layer("written", "list"),
    ]
    layers = [
        constant_layer("i", [0]),
        constant_layer("zero", [0]),
        copy_layer("data", "list"),
        loop_layer([*body, *counter], most=6),
        scaled("list", "y", 2),
    ]
    model = mlt.load(network(layers, {"data": (2,)}, ["y"]))
    expected = 2 * np.arange(6, dtype=np.float32)
    np.testing.assert_array_equal(model.predict({"data": np.float32([7, 7])})["y"], expected)


def test_power_iteration_finds_the_largest_eigenvalue(rng):
    product, _ = new_layer("batchedMatmul", ["matrix", "x"], ["product"])
    norm, params = new_layer("reduceL2", ["product"], ["norm"])
    params.axes.append(0)
    params.keepDims = True
    unit, _ = new_layer("divideBroadcastable", ["product", "norm"], ["unit"])
    loop = loop_layer([product, norm, unit, copy_layer("unit", "x")], most=100)
    layers = [copy_layer("start", "x"), loop, copy_layer("norm", "eigenvalue")]
    matrix = rng.normal(size=(4, 4))
    matrix = (matrix @ matrix.T).astype(np.float32)
    model = mlt.load(network(layers, {"matrix": (4, 4), "start": (4, 1)}, ["eigenvalue"]))
    found = model.predict({"matrix": matrix, "start": np.ones((4, 1), dtype=np.float32)})["eigenvalue"]
    # 100 steps leave (λ₂/λ₁)^100, far below the rounding of float32.
    np.testing.assert_allclose(found.item(), np.linalg.eigvalsh(matrix).max(), rtol=1e-5)


def custom_layer():
    layer, params = new_layer("custom", ["x"], ["y"])
    params.className = "Mine"
    return layer


@pytest.mark.parametrize(
    ("layer", "what"),
    [
        (branch_layer("x", []), "ifBranch is empty"),
        (
            branch_layer("nowhere", [scaled("x", "y", 1)]),
            "nothing before the layer makes its input 'nowhere'",
        ),
        (loop_layer([], most=3), "bodyNetwork is empty"),
        (loop_layer([scaled("x", "y", 1)]), "maxLoopIterations is 0"),
        (loop_layer([scaled("x", "y", 1)], most=2**60), "maxLoopIterations"),
        (loop_layer([scaled("x", "y", 1)], count="pair"), "a single number"),
        (loop_layer([scaled("x", "y", 1)], condition=[copy_layer("none", "go")]), "'none'"),
        (leaving("loopBreak"), "not inside the bodyNetwork of a loop"),
        (leaving("loopContinue"), "not inside the bodyNetwork of a loop"),
        (loop_layer([scaled("nothing", "y", 1)], most=3), "'nothing'"),
    ],
)
def test_impossible_layers(layer, what):
    with pytest.raises(InvalidModelError, match=what):
        network_to_graph(network([layer], {"x": (1,), "pair": (2,)}, ["x"]))


def test_condition_and_its_variable_belong_together():
    loop = loop_layer([scaled("x", "y", 1)], condition=[less_than("x", "go", 5)])
    loop.loop.conditionVar = ""
    with pytest.raises(InvalidModelError, match="without a conditionVar"):
        network_to_graph(network([loop], {"x": (1,)}, ["x"]))
    loop.loop.conditionVar = "other"
    with pytest.raises(InvalidModelError, match="does not make the conditionVar 'other'"):
        network_to_graph(network([loop], {"x": (1,)}, ["x"]))


def test_an_exit_inside_the_condition_is_refused():
    loop = loop_layer([scaled("x", "y", 1)], condition=[leaving("loopBreak"), less_than("x", "go", 5)])
    with pytest.raises(InvalidModelError, match="not inside the bodyNetwork"):
        network_to_graph(network([loop], {"x": (1,)}, ["x"]))


def test_custom_layers_inside_are_refused():
    for layer in (loop_layer([custom_layer()], most=2), branch_layer("x", [custom_layer()])):
        with pytest.raises(UnsupportedModelError, match="custom layer inside a branch or loop"):
            network_to_graph(network([layer], {"x": (1,)}, ["x"]))
