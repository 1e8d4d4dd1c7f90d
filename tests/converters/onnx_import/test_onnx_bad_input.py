"""Files and models that are damaged, incomplete or contradict themselves."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper
from onnx_models import FLOAT, decibels, model_of, normal, run

from mltoolkit.converters.onnx_import.importer import import_onnx
from mltoolkit.errors import ArgumentError, InvalidModelError, ModelFileError, UnsupportedLayersError

X = {"x": (FLOAT, (2, 3))}


def relu() -> onnx.ModelProto:
    return model_of([helper.make_node("Relu", ["x"], ["y"])], X, ["y"])


def product(**weights: Any) -> onnx.ModelProto:
    return model_of([helper.make_node("MatMul", ["x", "w"], ["y"])], X, ["y"], weights or {"w": normal(3, 40)})


def test_a_path_bytes_and_models_in_memory_are_all_read(tmp_path: Path) -> None:
    model = product()
    path = tmp_path / "model.onnx"
    onnx.save(model, path)
    x = normal(2, 3)
    (expected,) = run(model, {"x": x})
    for source in (path, str(path), path.read_bytes(), model, ir.from_proto(model)):
        assert decibels(expected, run(import_onnx(source), {"x": x})[0]) > 120


def test_files_that_are_missing_or_something_else(tmp_path: Path) -> None:
    onnx.save(relu(), tmp_path / "classifier.onnx")
    with pytest.raises(ModelFileError, match=r"Did you mean 'classifier\.onnx'"):
        import_onnx(tmp_path / "clasifier.onnx")
    with pytest.raises(ModelFileError, match="cannot be read"):
        import_onnx(tmp_path)
    with zipfile.ZipFile(tmp_path / "zipped.onnx", "w") as archive:
        archive.writestr("a", "b")
    with pytest.raises(ModelFileError, match="not an ONNX model"):
        import_onnx(tmp_path / "zipped.onnx")
    for content in (b"", b"hello", b"\x00" * 100, b"<html></html>", relu().SerializeToString()[:-9]):
        (tmp_path / "broken.onnx").write_bytes(content)
        with pytest.raises(ModelFileError, match=r"(no|not an) ONNX model"):
            import_onnx(tmp_path / "broken.onnx")
        with pytest.raises(ModelFileError):
            import_onnx(content)
    with pytest.raises(ArgumentError, match="not int"):
        import_onnx(3)  # type: ignore[arg-type]


def test_weights_beside_the_model(tmp_path: Path) -> None:
    model = product()
    path = tmp_path / "model.onnx"
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    x = normal(2, 3)
    assert decibels(run(product(), {"x": x})[0], run(import_onnx(path), {"x": x})[0]) > 120
    with pytest.raises(ModelFileError, match="Give the path"):
        import_onnx(path.read_bytes())
    (tmp_path / "weights.bin").write_bytes((tmp_path / "weights.bin").read_bytes()[:-1])
    with pytest.raises(ModelFileError, match="has 479 bytes, but the weight 'w' is said to be 480"):
        import_onnx(path)
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(ModelFileError, match=r"'weights\.bin' with the weight 'w' is missing"):
        import_onnx(path)


@pytest.mark.parametrize("place", ["../secret.bin", "/etc/passwd", "sub/../../secret.bin", "link.bin", "", "a\0b"])
def test_weights_must_lie_in_the_models_folder(tmp_path: Path, place: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(bytes(480))
    (folder / "sub").mkdir()
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    model = product()
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value=place)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(InvalidModelError, match="folder"):
        import_onnx(folder / "model.onnx")


@pytest.mark.parametrize(("offset", "length"), [("-1", "4"), ("0", "-4"), ("x", "4"), ("0", "99999999"), ("470", "20")])
def test_weights_at_impossible_places(tmp_path: Path, offset: str, length: str) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(480))
    model = product()
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "weights.bin"), ("offset", offset), ("length", length)):
        weight.external_data.add(key=key, value=value)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises((InvalidModelError, ModelFileError), match="'w'"):
        import_onnx(tmp_path / "model.onnx")


def test_weights_that_are_too_short() -> None:
    model = product()
    model.graph.initializer[0].raw_data = model.graph.initializer[0].raw_data[:-4]
    with pytest.raises(InvalidModelError, match=r"weight 'w' does not hold what its shape \[3, 40\] needs"):
        import_onnx(model)
    model.graph.initializer[0].dims[0] = 1 << 40
    with pytest.raises(InvalidModelError, match="'w'"):
        import_onnx(model)


def test_nodes_in_another_order_are_sorted() -> None:
    nodes = [helper.make_node("Relu", ["a"], ["y"]), helper.make_node("Neg", ["x"], ["a"])]
    source = import_onnx(model_of(nodes, X, ["y"]))
    x = normal(2, 3)
    assert np.array_equal(run(source, {"x": x})[0], np.maximum(-x, 0))


def test_nodes_that_wait_for_each_other() -> None:
    nodes = [helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("Relu", ["a"], ["b"])]
    with pytest.raises(InvalidModelError, match="cycle"):
        import_onnx(model_of(nodes, X, ["b"]))


def test_names_that_are_given_twice_or_missing() -> None:
    twice = [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Neg", ["x"], ["y"])]
    with pytest.raises(InvalidModelError, match="'y' is given to two values"):
        import_onnx(model_of(twice, X, ["y"]))
    with pytest.raises(InvalidModelError, match="reads 'z', which nothing makes"):
        import_onnx(model_of([helper.make_node("Add", ["x", "z"], ["y"])], X, ["y"]))
    with pytest.raises(InvalidModelError, match="nothing makes the output 'q'"):
        import_onnx(model_of([helper.make_node("Relu", ["x"], ["y"])], X, ["q"]))
    nothing = relu()
    del nothing.graph.output[:]
    with pytest.raises(InvalidModelError, match="no outputs"):
        import_onnx(nothing)


def test_a_body_that_reads_what_nothing_makes() -> None:
    then = model_of([helper.make_node("Add", ["x", "gone"], ["t"])], {}, ["t"]).graph
    other = model_of([helper.make_node("Relu", ["x"], ["e"])], {}, ["e"]).graph
    node = helper.make_node("If", ["c"], ["y"], then_branch=then, else_branch=other)
    with pytest.raises(InvalidModelError, match="'gone'"):
        import_onnx(model_of([node], X | {"c": (TensorProto.BOOL, ())}, ["y"]))


def test_nodes_that_do_not_fit_their_definition() -> None:
    for node, reason in (
        (helper.make_node("Conv", ["x"], ["y"]), "Conv"),
        (helper.make_node("Concat", ["x"], ["y"]), "axis"),
        (helper.make_node("Relu", ["x"], ["y"], slope=2.0), "slope"),
        (helper.make_node("Transpose", ["x"], ["y"], perm="10"), "perm"),
        (helper.make_node("Transpose", ["x"], ["y"], perm=[0, 7]), "Transpose"),
        (helper.make_node("Split", ["x"], ["y"], axis=9), "axis 9"),
    ):
        with pytest.raises((InvalidModelError, UnsupportedLayersError), match=reason):
            import_onnx(model_of([node], X, ["y"]))


def test_an_output_of_another_type_than_declared() -> None:
    model = model_of([helper.make_node("Relu", ["x"], ["y"])], X, {"y": (TensorProto.INT64, None)})
    with pytest.raises(InvalidModelError, match="'y' is declared as INT64, but it is FLOAT"):
        import_onnx(model)


def test_texts_are_refused() -> None:
    node = helper.make_node("Equal", ["t", "t"], ["y"])
    model = model_of([node], X, {"y": (TensorProto.BOOL, (1,))})
    model.graph.initializer.append(helper.make_tensor("t", TensorProto.STRING, [1], [b"word"]))
    with pytest.raises(UnsupportedLayersError, match="type STRING"):
        import_onnx(model)
