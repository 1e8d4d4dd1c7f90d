"""Inputs, outputs, labels and metadata of the written model are those that were asked for."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import onnx
import pytest
from checking import FORMATS, check_onnx, finished, one_node, reference, source_of, sqnr
from onnx import TensorProto, helper, numpy_helper

from mltoolkit.converters.mil.target import (
    ArrayInput,
    Classifier,
    CoreMLTarget,
    ImageInput,
    ImageOutput,
    Metadata,
    SizeRange,
)
from mltoolkit.converters.mil.write import WrittenModel, write_core_ml
from mltoolkit.errors import ArgumentError, UnsupportedModelError
from mltoolkit.formats.features import ArrayFeature, ImageFeature, Range
from mltoolkit.model import Model

RNG = np.random.default_rng(17)
KERNEL = RNG.standard_normal((3, 3, 3, 3)).astype(np.float32) / 5


def network(shape=(1, 3, 8, 6), outputs=("y",), kernel=KERNEL) -> onnx.ModelProto:
    """A convolution that keeps the size, after a transposition where the input is channels-last."""
    last = shape[1] not in (1, 3)
    nodes = [helper.make_node("Conv", ["c" if last else "x", "w"], [outputs[0]], pads=[1, 1, 1, 1])]
    if last:
        nodes.insert(0, helper.make_node("Transpose", ["x"], ["c"], perm=[0, 3, 1, 2]))
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(outputs[0], TensorProto.FLOAT, None)],
        [numpy_helper.from_array(kernel, "w")],
    )
    return finished(graph)


def classifier(name="probs") -> onnx.ModelProto:
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["logits"]), helper.make_node("Softmax", ["logits"], [name])],
        "classifier",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 4))],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 3))],
        [numpy_helper.from_array(RNG.standard_normal((4, 3)).astype(np.float32), "w")],
    )
    return finished(graph)


@contextmanager
def written(model: onnx.ModelProto, **target) -> Iterator[tuple[WrittenModel, Model]]:
    result = write_core_ml(source_of(model), CoreMLTarget(**target))
    try:
        yield result, Model(result.spec, weights_dir=result.weights_dir)
    finally:
        if result.weights_dir is not None:
            shutil.rmtree(result.weights_dir)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("color", ["RGB", "BGR"])
@pytest.mark.parametrize(
    ("scale", "bias"), [(1.0, 0.0), (1 / 127.5, -1.0), (0.5, [1.0, 2.0, 3.0]), ([0.1, 0.2, 0.3], [-1.0, 0.0, 1.0])]
)
def test_color_images(format, layout, color, scale, bias):
    model = network((1, 3, 8, 6) if layout == "NCHW" else (1, 8, 6, 3))
    pixels = RNG.integers(0, 256, (8, 6, 3)).astype(np.uint8)
    ordered = pixels.astype(np.float32)[..., ::-1] if color == "BGR" else pixels.astype(np.float32)
    data = ordered * np.float32(scale) + np.float32(bias)
    x = data[None] if layout == "NHWC" else data.transpose(2, 0, 1)[None]
    expected = reference(model, {"x": x.astype(np.float32)})["y"]
    with written(model, format=format, inputs={"x": ImageInput(scale=scale, bias=bias, color=color)}) as (_, read):
        (feature,) = read.inputs
        assert isinstance(feature, ImageFeature)
        assert (feature.height, feature.width, feature.color_space) == (8, 6, color)
        assert sqnr(expected, read.predict_raw({"x": pixels})["y"]) > 100


@pytest.mark.parametrize("format", FORMATS)
def test_gray_image(format):
    model = network((1, 1, 8, 6), kernel=KERNEL[:, :1])
    pixels = RNG.integers(0, 256, (8, 6)).astype(np.uint8)
    expected = reference(model, {"x": pixels[None, None].astype(np.float32) / 255 - 0.5})["y"]
    with written(model, format=format, inputs={"x": ImageInput(scale=1 / 255, bias=-0.5)}) as (_, read):
        assert read.inputs[0].color_space == "GRAY"
        assert sqnr(expected, read.predict_raw({"x": pixels})["y"]) > 100


@pytest.mark.parametrize("format", FORMATS)
def test_image_output(format):
    model = network()
    with written(model, format=format, outputs={"y": ImageOutput(color="BGR", description="a picture")}) as (_, read):
        (feature,) = read.outputs
        assert isinstance(feature, ImageFeature)
        assert (feature.height, feature.width, feature.color_space) == (8, 6, "BGR")
        assert feature.description == "a picture"
        x = RNG.standard_normal((1, 3, 8, 6)).astype(np.float32)
        assert sqnr(reference(model, {"x": x})["y"][0], read.predict_raw({"x": x})["y"]) > 100


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("labels", [["cat", "dog", "cat"], [7, 8, 9]])
# The other names are what coremltools calls the dictionary by itself, and what the dictionary is called here.
@pytest.mark.parametrize("tensor", ["probs", "kind_probs", "odds"])
def test_classifier(format, labels, tensor):
    model = classifier(tensor)
    given = Classifier(labels, predicted_feature_name="kind", probabilities_name="odds")
    with written(model, format=format, classifier=given) as (_, read):
        assert list(read.class_labels) == labels
        assert (read.predicted_feature_name, read.predicted_probabilities_name) == ("kind", "odds")
        assert [feature.name for feature in read.outputs] == ["kind", "odds"]
        x = RNG.standard_normal((1, 4)).astype(np.float32)
        expected = reference(model, {"x": x})[tensor].reshape(-1)
        (probabilities,) = read.predict_raw({"x": x}).values()
        assert sqnr(expected, probabilities) > 100
        assert read.predict({"x": x})["kind"] == labels[int(expected.argmax())]


@pytest.mark.parametrize("format", FORMATS)
def test_probabilities_called_as_before(format):
    given = Classifier(["a", "b", "c"], predicted_feature_name="kind", probabilities_name="kind_probs")
    with written(classifier("kind_probs"), format=format, classifier=given) as (_, read):
        assert read.predict({"x": np.zeros((1, 4), np.float32)})["kind_probs"].keys() == {"a", "b", "c"}


def test_labels_from_a_file(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("cat\ndog\nbird\n\n", encoding="utf-8")
    with written(classifier(), format="mlmodel", classifier=Classifier(path)) as (_, read):
        assert read.class_labels == ("cat", "dog", "bird")
        assert read.predicted_probabilities_name == "classLabel_probs"


@pytest.mark.parametrize("format", FORMATS)
def test_label_count_must_fit(format):
    with pytest.raises(ArgumentError, match="2 class labels for the 3 classes"):
        write_core_ml(source_of(classifier()), CoreMLTarget(format=format, classifier=Classifier(["a", "b"])))


@pytest.mark.parametrize("format", FORMATS)
def test_ranges(format):
    model = network((1, 3, "height", "width"))
    shape = (1, 3, SizeRange(4, 32, 8), SizeRange(2))
    with written(model, format=format, inputs={"x": ArrayInput(shape=shape)}) as (_, read):
        (feature,) = read.inputs
        assert isinstance(feature, ArrayFeature)
        assert feature.shape == (1, 3, 8, 2)
        upper = 4096 if format == "mlpackage" else None
        assert feature.ranges == (Range(1, 1), Range(3, 3), Range(4, 32), Range(2, upper))
        for size in ((8, 2), (5, 9)):
            x = RNG.standard_normal((1, 3, *size)).astype(np.float32)
            assert sqnr(reference(model, {"x": x})["y"], read.predict_raw({"x": x})["y"]) > 100


@pytest.mark.parametrize("format", FORMATS)
def test_enumerated_shapes(format):
    model = network((1, 3, "height", "width"))
    shapes = [(1, 3, 8, 6), (1, 3, 4, 9)]
    with written(model, format=format, inputs={"x": ArrayInput(shapes=shapes)}) as (_, read):
        assert read.inputs[0].shape == shapes[0]
        assert list(read.inputs[0].shapes) == shapes
        for shape in shapes:
            x = RNG.standard_normal(shape).astype(np.float32)
            assert sqnr(reference(model, {"x": x})["y"], read.predict_raw({"x": x})["y"]) > 100


@pytest.mark.parametrize("format", FORMATS)
def test_fixed_size_of_a_flexible_source(format):
    model = network(("batch", 3, "height", "width"))
    with written(model, format=format, inputs={"x": ArrayInput(shape=(1, 3, 8, 6))}) as (_, read):
        assert read.inputs[0].shape == (1, 3, 8, 6)
        assert read.inputs[0].ranges == ()
        assert read.outputs[0].shape == (1, 3, 8, 6)


@pytest.mark.parametrize("format", FORMATS)
def test_image_of_several_sizes(format):
    model = network((1, 3, "height", "width"))
    with written(model, format=format, inputs={"x": ImageInput(sizes=[(8, 6), (4, 10)])}) as (_, read):
        assert set(read.inputs[0].sizes) == {(6, 8), (10, 4)}
    given = ImageInput(size=(SizeRange(4, 64, 8), SizeRange(4, 32, 6)))
    with written(model, format=format, inputs={"x": given}) as (_, read):
        feature = read.inputs[0]
        assert (feature.height, feature.width) == (8, 6)
        assert (feature.height_range, feature.width_range) == (Range(4, 64), Range(4, 32))


def test_names():
    x = RNG.standard_normal((2, 3)).astype(np.float32)
    model = one_node("Relu", {"input:0": x})
    checked = check_onnx(model, {"input:0": x})
    assert checked["mlmodel"].written.renamed == {}
    assert [feature.name for feature in checked["mlmodel"].model.inputs] == ["input:0"]
    assert checked["mlpackage"].written.renamed == {"input:0": "input_0"}


def test_bools_and_scalars():
    feeds = {"x": np.array([[True, False], [False, True]]), "b": np.array(True)}
    checked = check_onnx(one_node("And", feeds, inputs=["x", "b"]), feeds)
    for item in checked.values():
        assert [feature.dtype for feature in item.model.inputs] == ["int32", "int32"]
        assert [feature.shape for feature in item.model.inputs] == [(2, 2), (1,)]
        assert item.model.outputs[0].dtype == "int32"


def test_input_handed_on():
    """A graph whose output is its input, and one that gives the same value twice."""
    x = RNG.standard_normal((2, 3)).astype(np.float32)
    check_onnx(one_node("Identity", {"x": x}), {"x": x})
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Identity", ["y"], ["z"])],
        "twice",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (2, 3))],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, (2, 3)) for name in ("y", "z")],
    )
    check_onnx(finished(graph), {"x": x})


@pytest.mark.parametrize("format", FORMATS)
def test_metadata(format):
    metadata = Metadata(
        author="A. Uthor",
        license="MIT",
        short_description="convolves",
        version="1.2",
        user_defined={"key": "text"},
        descriptions={"x": "what comes in", "y": "what goes out"},
    )
    with written(network(), format=format, metadata=metadata) as (result, read):
        stored = result.spec.description.metadata
        assert (stored.author, stored.license, stored.shortDescription) == ("A. Uthor", "MIT", "convolves")
        assert stored.versionString == "1.2"
        assert dict(stored.userDefined)["key"] == "text"
        assert (read.inputs[0].description, read.outputs[0].description) == ("what comes in", "what goes out")


@pytest.mark.parametrize(
    ("format", "target", "version"),
    [
        ("mlmodel", None, 4),
        ("mlpackage", None, 6),
        ("mlpackage", "iOS16", 7),
        ("mlpackage", "macOS14", 8),
        ("mlmodel", "iOS17", 4),
    ],
)
def test_deployment_target(format, target, version):
    with written(network(), format=format, minimum_deployment_target=target) as (result, _):
        assert result.spec.specificationVersion == version


def test_half_precision():
    model = network()
    x = RNG.standard_normal((1, 3, 8, 6)).astype(np.float32)
    expected = reference(model, {"x": x})["y"]
    for target in (
        {"format": "mlmodel"},
        {"format": "mlpackage"},
        {"format": "mlpackage", "minimum_deployment_target": "iOS16"},
    ):
        with written(model, precision="float16", **target) as (_, read):
            ratio = sqnr(expected, read.predict_raw({"x": x})["y"])
            # 11 bits of the weights: about 70 dB, and not the 120 dB of float32.
            assert 60 < ratio < 90, f"{target}: {ratio:.1f} dB"
            assert [feature.dtype for feature in (*read.inputs, *read.outputs)] == ["float32", "float32"]


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ({"inputs": {"X": ArrayInput()}}, "no input 'X'"),
        ({"outputs": {"z": ImageOutput()}}, "no output 'z'"),
        ({"inputs": {"x": ArrayInput(shape=(1, 3, 9, 6))}}, "does not fit"),
        ({"inputs": {"x": ImageInput(color="GRAYSCALE")}}, "3 channels"),
        ({"inputs": {"x": ImageInput(scale=[1.0, 2.0])}}, "2 numbers for 3 channels"),
        ({"classifier": Classifier([])}, "at least one"),
        ({"classifier": Classifier("/no/such/file.txt")}, "cannot be read"),
        ({"classifier": Classifier(["a"], probabilities="z")}, "no output 'z'"),
        ({"classifier": Classifier(["a"], predicted_feature_name="x")}, "'x' cannot name"),
    ],
)
def test_what_does_not_fit_is_refused(target, words):
    with pytest.raises(ArgumentError, match=words):
        write_core_ml(source_of(network()), CoreMLTarget(**target))


@pytest.mark.parametrize(
    "arguments",
    [
        {"format": "mlmodle"},
        {"precision": "float8"},
        {"minimum_deployment_target": "iOS99"},
        {"minimum_deployment_target": "iOS13"},
    ],
)
def test_bad_targets(arguments):
    with pytest.raises(ArgumentError):
        CoreMLTarget(**arguments)


def test_types_that_core_ml_does_not_hold():
    model = one_node("Identity", {"x": np.array([1], np.complex64)})
    with pytest.raises(UnsupportedModelError, match="which Core ML does not hold"):
        write_core_ml(source_of(model), CoreMLTarget())


def test_output_that_is_an_input():
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "handed_on",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (2, 3))],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, (2, 3)) for name in ("y", "x")],
    )
    for format in FORMATS:
        with pytest.raises(UnsupportedModelError, match="'x' is an input"):
            write_core_ml(source_of(finished(graph)), CoreMLTarget(format=format))


def test_network_without_inputs():
    with pytest.raises(UnsupportedModelError, match="no inputs"):
        write_core_ml(source_of(one_node("Neg", {}, {"c": KERNEL})), CoreMLTarget(format="mlmodel"))


@pytest.mark.parametrize("format", FORMATS)
def test_too_many_dimensions(format):
    x = np.zeros((1, 2, 1, 2), np.float32)
    model = one_node("Reshape", {"x": x}, {"s": np.array([1, 1, 2, 1, 1, 2])})
    with pytest.raises(UnsupportedModelError, match="at most five dimensions"):
        write_core_ml(source_of(model), CoreMLTarget(format=format))


def test_unused_inputs_stay():
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "unused",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, (2, 3)),
            helper.make_tensor_value_info("z", TensorProto.INT64, (4,)),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (2, 3))],
    )
    feeds = {"x": RNG.standard_normal((2, 3)).astype(np.float32), "z": np.arange(4)}
    for checked in check_onnx(finished(graph), feeds).values():
        assert [feature.name for feature in checked.model.inputs] == ["x", "z"]


def test_output_of_numbers_beyond_32_bits():
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "large",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (2, 3))],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, (2, 3)),
            helper.make_tensor_value_info("c", TensorProto.INT64, (1,)),
        ],
        [numpy_helper.from_array(np.array([1 << 40]), "c")],
    )
    with pytest.raises(UnsupportedModelError, match="'c' cannot be written: it has integers beyond 32 bits"):
        write_core_ml(source_of(finished(graph)), CoreMLTarget())
