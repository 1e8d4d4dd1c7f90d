"""What holds for every operation: names, declared types, unknown operations, shapes found from constants."""

from __future__ import annotations

import numpy as np
import pytest
from mil_programs import Ref, add_operation, new_program, one_operation

from mltoolkit.converters.ml_program.program import program_to_graph
from mltoolkit.converters.ml_program.registry import converts, operation_converters
from mltoolkit.errors import InvalidModelError, UnsupportedModelError
from mltoolkit.model import Model

X = np.arange(6, dtype=np.float32).reshape(2, 3)


def test_all_unknown_operations_are_named_at_once() -> None:
    spec, block = new_program({"x": ("float32", (2,))}, {"y": ("float32", (2,))})
    for kind, source, target in (("frobnicate", "x", "a"), ("relu", "a", "b"), ("twiddle", "b", "y")):
        add_operation(block, kind, {"x": Ref(source)}, {target: ("float32", (2,))})
    with pytest.raises(UnsupportedModelError, match=r"'frobnicate' \(1×\), 'twiddle' \(1×\)"):
        program_to_graph(spec)


def test_custom_layers_are_refused_for_what_they_are() -> None:
    spec = one_operation("custom_layer", {"x": X}, {}, ("float32", (2, 3)))
    with pytest.raises(UnsupportedModelError, match="custom layers, which ML Programs do not support"):
        program_to_graph(spec)


@pytest.mark.parametrize(
    ("output", "says"),
    [
        (("float32", (2, 4)), "gives the shape (2, 3) but the program declares float32[2, 4]"),
        (("float32", (2, 3, 1)), "gives the shape (2, 3)"),
        (("int32", (2, 3)), "gives float32 but the program declares int32"),
    ],
)
def test_what_is_inferred_must_be_what_is_declared(output: tuple[str, tuple[int, ...]], says: str) -> None:
    with pytest.raises(InvalidModelError) as caught:
        program_to_graph(one_operation("relu", {"x": X}, {}, output))
    assert says in str(caught.value), str(caught.value)
    assert "'out' (relu)" in str(caught.value), "the operation must be named"


def test_unknown_declared_sizes_are_skipped() -> None:
    graph = program_to_graph(one_operation("relu", {"x": X}, {}, ("float32", (None, 3))))
    assert graph.layers[0].outputs[0].shape == (2, 3)


def test_names_that_nothing_makes() -> None:
    spec, block = new_program({"input": ("float32", (2,))}, {"y": ("float32", (2,))})
    add_operation(block, "relu", {"x": Ref("inptu")}, {"y": ("float32", (2,))})
    with pytest.raises(InvalidModelError, match="Did you mean 'input'"):
        program_to_graph(spec)


def test_missing_inputs_and_constants_that_are_none() -> None:
    with pytest.raises(InvalidModelError, match="needs one 'x' but has none"):
        program_to_graph(one_operation("relu", {"z": X}, {}, ("float32", (2, 3))))
    spec = one_operation("leaky_relu", {"x": X}, {}, ("float32", (2, 3)))
    spec.mlProgram.functions["main"].block_specializations["CoreML7"].operations[0].inputs["alpha"].arguments.add(
        name="x"
    )
    with pytest.raises(UnsupportedModelError, match="'alpha' is only known when the model runs"):
        program_to_graph(spec)


def test_one_name_for_two_values() -> None:
    spec, block = new_program({"x": ("float32", (2,))}, {"y": ("float32", (2,))})
    for _ in range(2):
        add_operation(block, "relu", {"x": Ref("x")}, {"y": ("float32", (2,))})
    with pytest.raises(InvalidModelError, match="the name 'y' twice"):
        program_to_graph(spec)


def test_two_converters_for_one_operation() -> None:
    assert "relu" in operation_converters()
    with pytest.raises(RuntimeError, match="operation 'relu' is registered twice"):
        converts("relu")(lambda context: None)


def test_sizes_computed_from_shapes_are_known() -> None:
    """reshape(x, [shape(x)[1], -1]): coremltools writes this for flexible inputs."""
    spec, block = new_program({"x": ("float32", (2, 3))}, {"y": ("float32", (None, None))}, unknown=True)
    add_operation(block, "shape", {"x": Ref("x")}, {"s": ("int32", (2,))})
    add_operation(
        block,
        "slice_by_index",
        {"x": Ref("s"), "begin": np.array([1]), "end": np.array([2]), "squeeze_mask": np.array([True])},
        {"n": ("int32", ())},
    )
    add_operation(block, "const", {}, {"rest": ("int32", ())}, {"val": np.int32(-1)})
    add_operation(block, "concat", {"values": [Ref("n"), Ref("rest")], "axis": np.int32(0)}, {"t": ("int32", (2,))})
    add_operation(block, "reshape", {"x": Ref("x"), "shape": Ref("t")}, {"y": ("float32", (None, None))})
    graph = program_to_graph(spec)
    assert graph.layers[-1].outputs[0].shape == (3, 2)
    assert [node.op_type for node in graph.model.graph] == ["Reshape"]
    assert np.array_equal(Model(spec).predict({"x": X})["y"], X.reshape(3, 2))


def test_constants_are_no_layers() -> None:
    spec, block = new_program({"x": ("float32", (2,))}, {"y": ("float32", (2,))})
    add_operation(block, "const", {}, {"two": ("float32", ())}, {"val": np.float32(2)})
    add_operation(block, "mul", {"x": Ref("x"), "y": Ref("two")}, {"y": ("float32", (2,))})
    graph = program_to_graph(spec)
    assert [(layer.name, layer.type) for layer in graph.layers] == [("y", "mul")]


def test_float16_runs_as_float32() -> None:
    spec = one_operation("exp", {"x": X.astype(np.float16)}, {}, ("float16", (2, 3)))
    found = Model(spec).predict({"x": X})["out"]
    assert found.dtype == np.float16, "the described type is given out"
    assert np.array_equal(found, np.exp(X).astype(np.float16))
    raw = Model(spec).predict_raw({"x": X})["out"]
    assert raw.dtype == np.float32
