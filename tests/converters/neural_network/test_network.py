"""Whole networks: inputs, preprocessing, the walk over layers, outputs, classifiers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mltoolkit as mlt
from mltoolkit.errors import InputError, InvalidModelError, UnsupportedModelError
from mltoolkit.formats.protobuf import new_model

FLOAT32, INT32 = 65568, 131104
GRAY, RGB, BGR = 10, 20, 30


def array(features: Any, name: str, *shape: int, dtype: int = FLOAT32) -> Any:
    feature = features.add(name=name)
    feature.type.multiArrayType.shape.extend(shape)
    feature.type.multiArrayType.dataType = dtype
    return feature.type.multiArrayType


def image(features: Any, name: str, width: int, height: int, color_space: int) -> Any:
    kind = features.add(name=name).type.imageType
    kind.width, kind.height, kind.colorSpace = width, height, color_space
    return kind


def layer(network: Any, kind: str, inputs: list[str], outputs: list[str]) -> Any:
    message = network.layers.add(name=f"{kind} {len(network.layers)}", input=inputs, output=outputs)
    getattr(message, kind).SetInParent()
    return getattr(message, kind)


def double(network: Any, source: str, target: str) -> None:
    layer(network, "activation", [source], [target]).linear.alpha = 2


def new_network(version: int = 3) -> Any:
    spec = new_model()
    spec.specificationVersion = version
    spec.neuralNetwork.SetInParent()
    return spec


def predict(spec: Any, **data: Any) -> dict[str, Any]:
    return mlt.Model.from_spec(spec).predict(data)


@pytest.mark.parametrize(
    ("color_space", "channels", "offsets"),
    [(RGB, 3, (1, 2, 3)), (BGR, 3, (3, 2, 1)), (GRAY, 1, (4,))],
)
def test_scale_and_channel_biases(color_space: int, channels: int, offsets: tuple[int, ...]) -> None:
    spec = new_network()
    image(spec.description.input, "image", 3, 2, color_space)
    array(spec.description.output, "y", channels, 2, 3)
    scaler = spec.neuralNetwork.preprocessing.add(featureName="image").scaler
    scaler.channelScale, scaler.redBias, scaler.greenBias, scaler.blueBias, scaler.grayBias = 0.5, 1, 2, 3, 4
    double(spec.neuralNetwork, "image", "y")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 3)).astype(np.uint8)
    result = predict(spec, image=pixels)["y"]
    tensor = mlt.Model.from_spec(spec).prepare_image("image", pixels).array[0]
    expected = 2 * (0.5 * tensor + np.array(offsets, np.float32).reshape(-1, 1, 1))
    np.testing.assert_array_equal(result, expected)


def test_mean_image_is_subtracted() -> None:
    spec = new_network()
    image(spec.description.input, "image", 3, 2, RGB)
    array(spec.description.output, "y", 3, 2, 3)
    mean = np.arange(18, dtype=np.float32)
    spec.neuralNetwork.preprocessing.add(featureName="image").meanImage.meanImage.extend(mean)
    double(spec.neuralNetwork, "image", "y")
    result = predict(spec, image=np.full((2, 3, 3), 100, np.uint8))["y"]
    np.testing.assert_array_equal(result, 2 * (100 - mean.reshape(3, 2, 3)))


def test_mean_image_of_another_size_is_refused() -> None:
    spec = new_network()
    image(spec.description.input, "image", 3, 2, RGB)
    array(spec.description.output, "y", 3, 2, 3)
    spec.neuralNetwork.preprocessing.add(featureName="image").meanImage.meanImage.extend([1.0] * 17)
    double(spec.neuralNetwork, "image", "y")
    with pytest.raises(InvalidModelError, match="17 values"):
        predict(spec, image=np.zeros((2, 3, 3), np.uint8))


@pytest.mark.parametrize("shape", [(5,), (2, 3, 4), (2, 3, 4, 5), (2, 3, 4, 5, 6)])
def test_arrays_of_every_legacy_rank_pass_through(shape: tuple[int, ...]) -> None:
    spec = new_network()
    array(spec.description.input, "x", *shape)
    array(spec.description.output, "y", *shape)
    double(spec.neuralNetwork, "x", "y")
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    np.testing.assert_array_equal(predict(spec, x=x)["y"], 2 * x)


def test_rank_2_cannot_be_mapped() -> None:
    spec = new_network()
    array(spec.description.input, "x", 2, 3)
    array(spec.description.output, "y", 2, 3)
    double(spec.neuralNetwork, "x", "y")
    with pytest.raises(InvalidModelError, match="rank 2"):
        predict(spec, x=np.zeros((2, 3)))


@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (2, 3, 4, 5, 6)][1:])
def test_exact_mapping_keeps_every_rank(shape: tuple[int, ...]) -> None:
    spec = new_network(4)
    spec.neuralNetwork.arrayInputShapeMapping = 1
    array(spec.description.input, "x", *shape)
    array(spec.description.output, "y", *shape)
    double(spec.neuralNetwork, "x", "y")
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    np.testing.assert_array_equal(predict(spec, x=x)["y"], 2 * x)


def test_sequence_and_batch_in_front_of_a_vector() -> None:
    spec = new_network()
    array(spec.description.input, "x", 3)
    array(spec.description.output, "y", 3)
    double(spec.neuralNetwork, "x", "y")
    x = np.random.default_rng(0).standard_normal((5, 2, 3)).astype(np.float32)
    result = predict(spec, x=x)["y"]
    np.testing.assert_array_equal(result.reshape(5, 2, 3), 2 * x)


def test_a_layer_may_overwrite_its_own_input() -> None:
    spec = new_network()
    array(spec.description.input, "x", 3)
    array(spec.description.output, "y", 3)
    double(spec.neuralNetwork, "x", "x")
    double(spec.neuralNetwork, "x", "x")
    double(spec.neuralNetwork, "x", "y")
    np.testing.assert_array_equal(predict(spec, x=np.ones(3))["y"], np.full(3, 8))


def test_one_value_may_be_two_outputs_and_an_input_an_output() -> None:
    spec = new_network()
    array(spec.description.input, "x", 3)
    for name in ("y", "z"):
        array(spec.description.output, name, 3)
        double(spec.neuralNetwork, "x", name)
    assert set(predict(spec, x=np.ones(3))) == {"y", "z"}


def test_integer_outputs_have_their_type() -> None:
    spec = new_network()
    array(spec.description.input, "x", 3, dtype=INT32)
    array(spec.description.output, "y", 3, dtype=INT32)
    double(spec.neuralNetwork, "x", "y")
    result = predict(spec, x=[1, 2, 3])["y"]
    assert result.dtype == np.int32 and result.tolist() == [2, 4, 6]


@pytest.mark.parametrize("color_space", [RGB, BGR])
def test_image_outputs_keep_their_colours(color_space: int) -> None:
    spec = new_network()
    image(spec.description.input, "image", 3, 2, color_space)
    image(spec.description.output, "picture", 3, 2, color_space)
    layer(spec.neuralNetwork, "activation", ["image"], ["picture"]).linear.alpha = 1
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 3)).astype(np.uint8)
    np.testing.assert_array_equal(np.asarray(predict(spec, image=pixels)["picture"].convert("RGB")), pixels)


def classifier(labels: list[str] | list[int], count: int = 3) -> Any:
    spec = new_model()
    spec.specificationVersion = 1
    network = spec.neuralNetworkClassifier
    kind = "string" if isinstance(labels[0], str) else "int64"
    getattr(network, f"{kind}ClassLabels").vector.extend(labels)
    array(spec.description.input, "x", count)
    getattr(spec.description.output.add(name="label").type, f"{kind}Type").SetInParent()
    probabilities = spec.description.output.add(name="probabilities").type.dictionaryType
    getattr(probabilities, f"{kind}KeyType").SetInParent()
    spec.description.predictedFeatureName = "label"
    spec.description.predictedProbabilitiesName = "probabilities"
    layer(network, "softmax", ["x"], ["out"])
    return spec


@pytest.mark.parametrize("labels", [["a", "b", "c"], [10, 20, 30]])
@pytest.mark.parametrize("named", ["", "out", "softmax 0"])
def test_classifiers_find_their_probabilities(labels: list[Any], named: str) -> None:
    spec = classifier(labels)
    spec.neuralNetworkClassifier.labelProbabilityLayerName = named
    outputs = predict(spec, x=[0, 5, 1])
    assert outputs["label"] == labels[1]
    assert set(outputs["probabilities"]) == set(labels)
    assert sum(outputs["probabilities"].values()) == pytest.approx(1, abs=1e-6)  # a float32 softmax


def test_label_count_must_fit() -> None:
    with pytest.raises(InvalidModelError, match="4 class labels but its last layer gives 3"):
        predict(classifier(["a", "b", "c", "d"]), x=[0, 5, 1])


def test_regressors_give_a_number() -> None:
    spec = new_model()
    spec.specificationVersion = 1
    array(spec.description.input, "x", 1)
    spec.description.output.add(name="y").type.doubleType.SetInParent()
    spec.description.predictedFeatureName = "y"
    double(spec.neuralNetworkRegressor, "x", "y")
    assert predict(spec, x=[1.5]) == {"y": 3.0}


@pytest.mark.parametrize("described", [(4,), (3, 2), (1, 1, 4)])
def test_shapes_that_contradict_the_description_are_refused(described: tuple[int, ...]) -> None:
    spec = new_network()
    array(spec.description.input, "x", 3)
    array(spec.description.output, "y", *described)
    double(spec.neuralNetwork, "x", "y")
    with pytest.raises(InvalidModelError) as caught:
        predict(spec, x=np.zeros(3))
    assert str(described) in str(caught.value) and "'y'" in str(caught.value)


def test_missing_blobs_are_named() -> None:
    spec = new_network()
    array(spec.description.input, "data", 3)
    array(spec.description.output, "y", 3)
    double(spec.neuralNetwork, "dta", "y")
    with pytest.raises(InvalidModelError, match=r"'dta'.*Did you mean 'data'"):
        predict(spec, data=np.zeros(3))


def test_missing_outputs_are_named() -> None:
    spec = new_network()
    array(spec.description.input, "x", 3)
    array(spec.description.output, "result", 3)
    double(spec.neuralNetwork, "x", "resul")
    with pytest.raises(InvalidModelError, match=r"'result'.*Did you mean 'resul'"):
        predict(spec, x=np.zeros(3))


def test_other_kinds_are_refused_by_name() -> None:
    spec = new_model()
    spec.specificationVersion = 1
    spec.wordTagger.SetInParent()
    array(spec.description.input, "x", 3)
    with pytest.raises(UnsupportedModelError, match="wordTagger"):
        predict(spec, x=np.zeros(3))


def test_flexible_arrays_run_at_every_allowed_shape() -> None:
    spec = new_network()
    flexible = array(spec.description.input, "x", 3, 4, 4)
    for low, high in ((3, 3), (2, 8), (2, -1)):
        flexible.shapeRange.sizeRanges.add(lowerBound=low, upperBound=high)
    array(spec.description.output, "y", 3, 4, 4)
    double(spec.neuralNetwork, "x", "y")
    model = mlt.Model.from_spec(spec)
    for shape in ((3, 4, 4), (3, 8, 2), (3, 2, 31), (3, 4, 4)):
        x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        np.testing.assert_array_equal(model.predict({"x": x})["y"], 2 * x)
    with pytest.raises(InputError, match=r"3\.\.3, 2\.\.8, 2\.\."):
        model.predict({"x": np.zeros((3, 9, 4))})


def test_graph_lists_every_layer_with_shapes() -> None:
    spec = new_network()
    array(spec.description.input, "x", 3, 4, 5)
    array(spec.description.output, "y", 60)
    double(spec.neuralNetwork, "x", "a")
    layer(spec.neuralNetwork, "flatten", ["a"], ["y"])
    graph = mlt.Model.from_spec(spec).graph()
    assert [(item.name, item.type) for item in graph.layers] == [
        ("activation 0", "activation"),
        ("flatten 1", "flatten"),
    ]
    assert [blob.shape for item in graph.layers for blob in item.outputs] == [(1, 3, 4, 5), (1, 60, 1, 1)]
