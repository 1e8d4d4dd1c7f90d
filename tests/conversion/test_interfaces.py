"""Unusual inputs and outputs, in both formats; verification compares them with the source."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from conversion_models import onnx_classifier, onnx_model
from onnx import TensorProto, helper

import mltoolkit as mlt

RNG = np.random.default_rng(0)
KERNEL = RNG.standard_normal((3, 3, 3, 3)).astype(np.float32)


def one_node(
    operator: str, shape: tuple[Any, ...], out: tuple[Any, ...] | None = None, **attributes: Any
) -> onnx.ModelProto:
    node = helper.make_node(operator, ["x"], ["y"], "node", **attributes)
    return onnx_model([node], {"x": shape}, {"y": shape if out is None else out})


def channels_last() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], "turn", perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["t", "w"], ["y"], "conv"),
    ]
    return onnx_model(nodes, {"x": (1, 8, 10, 3)}, {"y": (1, 3, 6, 8)}, {"w": KERNEL})


def two_inputs() -> onnx.ModelProto:
    nodes = [helper.make_node("Add", ["a", "b"], ["sum"], "s"), helper.make_node("Mul", ["a", "b"], ["product"], "p")]
    return onnx_model(nodes, {"a": ("n", 3), "b": ("n", 3)}, {"sum": ("n", 3), "product": ("n", 3)})


def two_outputs() -> onnx.ModelProto:
    nodes = [helper.make_node("Softmax", ["x"], ["p"], "p"), helper.make_node("Relu", ["x"], ["r"], "r")]
    return onnx_model(nodes, {"x": (1, 3)}, {"p": (1, 3), "r": (1, 3)})


def flags() -> onnx.ModelProto:
    nodes = [helper.make_node("Greater", ["x", "zero"], ["g"], "g"), helper.make_node("Not", ["g"], ["n"], "n")]
    types = dict.fromkeys(("g", "n"), TensorProto.BOOL)
    return onnx_model(nodes, {"x": (2, 3)}, {"g": (2, 3), "n": (2, 3)}, {"zero": np.zeros((), np.float32)}, types)


OPEN = (1, 3, "height", "width")
RANGE = (mlt.SizeRange(8, 64, 16), mlt.SizeRange(8, None, 16))
CASES: dict[str, tuple[onnx.ModelProto, dict[str, Any]]] = {
    "channels-last picture": (channels_last(), {"inputs": mlt.ImageInput(scale=1 / 255, color="BGR")}),
    "picture to picture": (
        one_node("Relu", (1, 3, 8, 10)),
        {"inputs": mlt.ImageInput(color="BGR"), "outputs": {"y": mlt.ImageOutput(color="BGR")}},
    ),
    "gray pictures": (
        one_node("Relu", (1, 1, 8, 10)),
        {"inputs": mlt.ImageInput(scale=0.5, bias=3), "outputs": {"y": mlt.ImageOutput()}},
    ),
    "half-precision gray": (
        one_node("Relu", (1, 1, 8, 10)),
        {"inputs": mlt.ImageInput(color="GRAYSCALE_FLOAT16"), "minimum_deployment_target": "iOS16"},
    ),
    "pictures of several sizes": (onnx_classifier(OPEN), {"inputs": mlt.ImageInput(sizes=[(8, 10), (16, 12)])}),
    "pictures of a range of sizes": (onnx_classifier(OPEN), {"inputs": mlt.ImageInput(size=RANGE, scale=1 / 255)}),
    "swapped names": (two_inputs(), {"names": {"a": "b", "b": "a", "sum": "the sum"}}),
    "two inputs of one flexible size": (
        two_inputs(),
        {"inputs": dict.fromkeys("ab", mlt.ArrayInput((mlt.SizeRange(1, 5), 3)))},
    ),
    "a classifier with a second output": (
        two_outputs(),
        {"class_labels": ["a", "b", "c"], "probabilities": "p", "names": {"p": "scores", "r": "rest"}},
    ),
    "flags": (flags(), {}),
    "a scalar": (one_node("ReduceSum", (2, 3), (), keepdims=0), {}),
    "nothing but the input": (one_node("Identity", (2, 3)), {}),
}


@pytest.mark.parametrize("format", ["mlmodel", "mlpackage"])
@pytest.mark.parametrize("case", CASES)
def test_the_written_model_agrees(case: str, format: str) -> None:
    source, options = CASES[case]
    report = mlt.convert(source, format=format, **options).conversion_report
    assert report is not None
    assert report.verified is True and all(check.passed for check in report.checks), report
    if "sizes" in case or "flexible" in case:
        assert any(check.inputs == "seeded, other sizes" for check in report.checks), report


@pytest.mark.parametrize("format", ["mlmodel", "mlpackage"])
def test_keras_models_of_several_inputs_and_outputs(format: str) -> None:
    keras = pytest.importorskip("keras")
    layers = keras.layers
    keras.utils.set_random_seed(0)
    numbers, words = keras.Input((4,), name="numbers"), keras.Input((3,), name="words", dtype="int32")
    embedded = layers.Flatten(name="flat")(layers.Embedding(7, 2, name="table")(words))
    joined = layers.Concatenate(name="joined")([layers.Dense(6, name="dense")(numbers), embedded])
    outputs = {"out/1": joined, "total": keras.ops.sum(words, axis=1)}
    source = keras.Model({"numbers": numbers, "words": words}, outputs)
    model = mlt.convert(source, format=format)
    report = model.conversion_report
    assert report is not None and report.verified is True, report
    assert {check.measure for check in report.checks} == {"SQNR", "exact"}
    assert [item.name for item in model.inputs] == ["numbers", "words"]
    # The names of an ML Program are identifiers.
    assert {item.name for item in model.outputs} == {"total", "out/1" if format == "mlmodel" else "out_1"}


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("format", ["mlmodel", "mlpackage"])
def test_pytorch_models_that_make_pictures(format: str) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    source = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 3, padding=1), torch.nn.Hardtanh(0, 255))
    options: dict[str, Any] = {"outputs": {"output": mlt.ImageOutput()}, "names": {"output": "stylized"}}
    model = mlt.convert(source, format=format, inputs=mlt.ImageInput(sizes=[(8, 10), (16, 12)]), **options)
    report = model.conversion_report
    assert report is not None and report.verified is True, report
    assert [item.name for item in model.outputs] == ["stylized"]
    assert {check.inputs for check in report.checks} == {"seeded", "seeded, other sizes"}
