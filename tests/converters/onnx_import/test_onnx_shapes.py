"""Inputs, names and sizes of imported ONNX models."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper
from onnx_models import FLOAT, decibels, model_of, normal, operators, run

from mltoolkit.converters.onnx_import.importer import import_onnx
from mltoolkit.converters.source_model import SourceModel
from mltoolkit.errors import ArgumentError, UnsupportedModelError
from mltoolkit.graph.builder import Dimension, shape_of

INT64 = TensorProto.INT64


def input_shapes(source: SourceModel) -> dict[str, tuple[Dimension, ...]]:
    return {value.name or "": shape_of(value) for value in source.model.graph.inputs}


def pooled(shape: tuple[int | str | None, ...]) -> onnx.ModelProto:
    """A convolution, and a Reshape whose sizes are computed from the input's."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("Shape", ["c"], ["sizes"]),
        helper.make_node("Gather", ["sizes", "zero"], ["batch"]),
        helper.make_node("Unsqueeze", ["batch", "axes"], ["batches"]),
        helper.make_node("Concat", ["batches", "rest"], ["wanted"], axis=0),
        helper.make_node("Reshape", ["c", "wanted"], ["y"]),
    ]
    weights = {"w": normal(4, 3, 3, 3), "zero": np.array(0), "axes": np.array([0]), "rest": np.array([-1])}
    return model_of(nodes, {"x": (FLOAT, shape)}, {"y": (FLOAT, None)}, weights)


def test_computed_sizes_are_constants_where_the_input_is_known() -> None:
    source = import_onnx(pooled((2, 3, 8, 8)))
    assert operators(source) == ["Conv", "Reshape"]
    assert shape_of(source.model.graph.outputs[0]) == (2, 144)


def test_unknown_sizes_stay_names_and_follow_through_the_graph() -> None:
    model = pooled(("N", 3, "H", "W"))
    source = import_onnx(model)
    assert input_shapes(source) == {"x": ("N", 3, "H", "W")}
    assert shape_of(source.model.graph.outputs[0])[0] == "N"
    for shape in ((2, 3, 8, 8), (1, 3, 5, 9)):
        x = normal(*shape)
        assert decibels(run(model, {"x": x})[0], run(source, {"x": x})[0]) > 120


def test_sizes_without_a_name_get_one_each() -> None:
    model = model_of([helper.make_node("Relu", ["x"], ["y"])], {"x": (FLOAT, (None, "?", "?"))}, ["y"])
    model.graph.input[0].type.tensor_type.shape.dim.add(dim_value=-1)
    assert input_shapes(import_onnx(model)) == {"x": ("x_dim_0", "x_dim_1", "x_dim_2", "x_dim_3")}


def test_given_shapes_replace_those_of_the_file() -> None:
    model = pooled(("N", 3, "H", "W"))
    source = import_onnx(model, input_shapes={"x": (1, 3, 6, "width")})
    assert input_shapes(source) == {"x": (1, 3, 6, "width")}
    fixed = import_onnx(model, input_shapes={"x": (1, 3, 6, 6)})
    assert operators(fixed) == ["Conv", "Reshape"]
    assert shape_of(fixed.model.graph.outputs[0]) == (1, 64)


def test_a_size_given_to_a_name_holds_wherever_the_name_stands() -> None:
    infos = {"x": (FLOAT, ("N", 4)), "z": (FLOAT, ("N", 4))}
    model = model_of([helper.make_node("Add", ["x", "z"], ["y"])], infos, {"y": (FLOAT, ("N", 4))})
    source = import_onnx(model, input_shapes={"x": (3, 4)})
    assert input_shapes(source) == {"x": (3, 4), "z": (3, 4)}
    assert shape_of(source.model.graph.outputs[0]) == (3, 4)
    with pytest.raises(ArgumentError, match="'N' both 3 and 2"):
        import_onnx(model, input_shapes={"x": (3, 4), "z": (2, 4)})


def test_shapes_that_do_not_fit_the_model() -> None:
    model = pooled(("N", 3, "H", "W"))
    with pytest.raises(ArgumentError, match=r"'y', which is no input\. Choose one of: 'x'"):
        import_onnx(model, input_shapes={"y": (1,)})
    with pytest.raises(ArgumentError, match="has 4 axes"):
        import_onnx(model, input_shapes={"x": (1, 3)})
    with pytest.raises(ArgumentError, match="size 0"):
        import_onnx(model, input_shapes={"x": (0, 3, 8, 8)})


def test_an_input_of_unknown_rank() -> None:
    model = model_of([helper.make_node("Relu", ["x"], ["y"])], {"x": (FLOAT, None)}, ["y"])
    with pytest.raises(UnsupportedModelError, match=r"which shape the input 'x' has.*input_shapes=\{'x'"):
        import_onnx(model)
    assert input_shapes(import_onnx(model, input_shapes={"x": (2, 3)})) == {"x": (2, 3)}


def test_an_input_with_a_default_is_a_constant() -> None:
    model = model_of(
        [helper.make_node("Mul", ["x", "scale"], ["y"])],
        {"x": (FLOAT, (2,)), "scale": (FLOAT, (1,))},
        ["y"],
        {"scale": np.array([3.0], np.float32)},
    )
    source = import_onnx(model)
    assert input_shapes(source) == {"x": (2,)}
    assert run(source, {"x": np.ones(2, np.float32)})[0].tolist() == [3, 3]


def test_inputs_that_are_no_tensors() -> None:
    node = helper.make_node("SequenceLength", ["s"], ["y"])
    model = model_of([node], {}, {"y": (INT64, ())})
    model.graph.input.append(helper.make_tensor_sequence_value_info("s", FLOAT, [2]))
    with pytest.raises(UnsupportedModelError, match="input 's' is a sequence"):
        import_onnx(model)
    texts = model_of([helper.make_node("Identity", ["x"], ["y"])], {"x": (TensorProto.STRING, (1,))}, ["y"])
    with pytest.raises(UnsupportedModelError, match="holds texts"):
        import_onnx(texts)


def test_outputs_that_are_inputs_constants_or_twice_the_same_keep_their_names() -> None:
    nodes = [
        helper.make_node("Identity", ["x"], ["same"]),
        helper.make_node("Relu", ["x"], ["r"]),
        helper.make_node("Identity", ["r"], ["first"]),
        helper.make_node("Dropout", ["r"], ["second"]),
    ]
    outputs = ["same", "r", "first", "second", "c"]
    model = model_of(nodes, {"x": (FLOAT, (2,))}, outputs, {"c": np.array([5.0], np.float32)})
    source = import_onnx(model)
    assert [value.name for value in source.model.graph.outputs] == outputs
    results = run(source, {"x": np.array([-1, 2], np.float32)})
    assert [result.tolist() for result in results] == [[-1, 2], [0, 2], [0, 2], [0, 2], [5]]


def test_dead_nodes_are_dropped_and_names_kept_for_tracing() -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], name="first"),
        helper.make_node("Exp", ["x"], ["unused"], name="dead"),
        helper.make_node("Sigmoid", ["a"], ["y"], name="last"),
    ]
    source = import_onnx(model_of(nodes, {"x": (FLOAT, (2,))}, ["y"]))
    assert operators(source) == ["Relu", "Sigmoid"]
    traced = [(layer.name, layer.type, [(blob.name, blob.value) for blob in layer.outputs]) for layer in source.layers]
    assert traced == [("first", "Relu", [("a", "a")]), ("dead", "Exp", []), ("last", "Sigmoid", [("y", "y")])]
    assert source.origin == "ONNX"


def test_quantized_weights_stay_quantized_and_large_constants_are_not_blown_up() -> None:
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["w"]),
        helper.make_node("MatMul", ["x", "w"], ["m"]),
        helper.make_node("ConstantOfShape", ["many"], ["zeros"]),
        helper.make_node("Expand", ["one", "many"], ["ones"]),
        helper.make_node("Add", ["m", "zeros"], ["a"]),
        helper.make_node("Add", ["a", "ones"], ["y"]),
    ]
    weights = {
        "q": np.arange(40 * 50, dtype=np.int64).reshape(40, 50).astype(np.int8),
        "s": np.float32(0.5),
        "z": np.int8(3),
        "many": np.array([100, 50]),
        "one": np.array([[1.0]], np.float32),
    }
    model = model_of(nodes, {"x": (FLOAT, (100, 40))}, ["y"], weights)
    source = import_onnx(model)
    assert "DequantizeLinear" in operators(source)
    size = sum(value.const_value.nbytes for value in source.model.graph.initializers.values() if value.const_value)
    assert size < 3000, f"{size} bytes where the source has 2045"
    x = normal(100, 40)
    assert decibels(run(model, {"x": x})[0], run(source, {"x": x})[0]) > 120


def test_a_model_in_memory_is_left_unchanged() -> None:
    model = pooled(("N", 3, 8, 8))
    before = model.SerializeToString(deterministic=True)
    import_onnx(model, input_shapes={"x": (1, 3, 8, 8)})
    assert model.SerializeToString(deterministic=True) == before
    in_ir = ir.from_proto(model)
    first, second = import_onnx(in_ir), import_onnx(in_ir)
    assert ir.to_proto(in_ir).SerializeToString(deterministic=True) == ir.to_proto(
        ir.from_proto(model)
    ).SerializeToString(deterministic=True)
    x = normal(2, 3, 8, 8)
    assert np.array_equal(run(first, {"x": x})[0], run(second, {"x": x})[0])


def test_the_optimizer_may_fail(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    from onnxscript import optimizer

    def fail(*_: object, **__: object) -> None:
        raise KeyError("a pass")

    monkeypatch.setattr(optimizer, "optimize_ir", fail)
    source = import_onnx(pooled((2, 3, 8, 8)))
    assert operators(source)[-1] == "Reshape"
    assert "not simplified" in caplog.text
