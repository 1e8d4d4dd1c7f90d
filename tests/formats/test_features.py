"""Descriptions of inputs and outputs: every feature type, enumerated sizes, ranges and open sizes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltoolkit.errors import InvalidModelError
from mltoolkit.formats.features import (
    ArrayFeature,
    DictionaryFeature,
    ImageFeature,
    Range,
    ScalarFeature,
    SequenceFeature,
    StringFeature,
    read_feature,
    read_interface,
)
from mltoolkit.formats.protobuf import new_model, proto_module


def describe(name: str = "x") -> Any:
    description = proto_module("Model_pb2").FeatureDescription()
    description.name = name
    description.shortDescription = "what it is"
    return description


def image_description(width: int = 20, height: int = 10, color_space: int = 20) -> Any:
    description = describe()
    description.type.imageType.width = width
    description.type.imageType.height = height
    description.type.imageType.colorSpace = color_space
    return description


def array_description(shape: tuple[int, ...], data_type: int = 65568) -> Any:
    description = describe()
    description.type.multiArrayType.shape.extend(shape)
    description.type.multiArrayType.dataType = data_type
    return description


@pytest.mark.parametrize(
    ("value", "name", "channels"), [(10, "GRAY", 1), (20, "RGB", 3), (30, "BGR", 3), (40, "GRAY_FLOAT16", 1)]
)
def test_color_spaces(value: int, name: str, channels: int) -> None:
    found = read_feature(image_description(color_space=value))
    assert found == ImageFeature("x", "what it is", False, 20, 10, name)
    assert isinstance(found, ImageFeature) and found.channels == channels and not found.flexible


@pytest.mark.parametrize(
    ("value", "name"),
    [(65568, "float32"), (65600, "float64"), (131104, "int32"), (65552, "float16"), (131080, "int8")],
)
def test_array_types(value: int, name: str) -> None:
    assert read_feature(array_description((3, 4), value)) == ArrayFeature("x", "what it is", False, (3, 4), name)


def test_the_numbers_of_color_spaces_and_array_types_are_the_formats() -> None:
    types = proto_module("FeatureTypes_pb2")
    assert dict(types.ImageFeatureType.ColorSpace.items()) == {
        "INVALID_COLOR_SPACE": 0,
        "GRAYSCALE": 10,
        "RGB": 20,
        "BGR": 30,
        "GRAYSCALE_FLOAT16": 40,
    }
    assert set(types.ArrayFeatureType.ArrayDataType.values()) == {0, 65568, 65600, 131104, 65552, 131080}


def test_scalars_texts_dictionaries_and_sequences() -> None:
    description = describe()
    description.type.int64Type.SetInParent()
    assert read_feature(description) == ScalarFeature("x", "what it is", False, "int64")
    description.type.doubleType.SetInParent()
    assert read_feature(description) == ScalarFeature("x", "what it is", False, "float64")
    description.type.stringType.SetInParent()
    assert read_feature(description) == StringFeature("x", "what it is", False)
    description.type.dictionaryType.int64KeyType.SetInParent()
    assert read_feature(description) == DictionaryFeature("x", "what it is", False, "int64")
    description.type.dictionaryType.stringKeyType.SetInParent()
    assert read_feature(description) == DictionaryFeature("x", "what it is", False, "string")
    description.type.sequenceType.int64Type.SetInParent()
    assert read_feature(description) == SequenceFeature("x", "what it is", False, "int64")
    description.type.sequenceType.stringType.SetInParent()
    assert read_feature(description) == SequenceFeature("x", "what it is", False, "string")


def test_enumerated_image_sizes() -> None:
    description = image_description()
    for width, height in ((20, 10), (40, 30)):
        description.type.imageType.enumeratedSizes.sizes.add(width=width, height=height)
    found = read_feature(description)
    assert isinstance(found, ImageFeature) and found.flexible
    assert found.sizes == ((20, 10), (40, 30))
    assert found.allows(20, 10) and found.allows(40, 30)
    assert not found.allows(20, 30) and not found.allows(10, 20)


def test_ranges_of_image_sizes() -> None:
    description = image_description()
    sizes = description.type.imageType.imageSizeRange
    sizes.widthRange.lowerBound, sizes.widthRange.upperBound = 16, 64
    sizes.heightRange.lowerBound, sizes.heightRange.upperBound = 8, -1
    found = read_feature(description)
    assert isinstance(found, ImageFeature) and found.flexible
    assert found.width_range == Range(16, 64) and found.height_range == Range(8, None)
    assert found.allows(16, 8) and found.allows(64, 10**9)
    assert not found.allows(15, 8) and not found.allows(65, 8) and not found.allows(16, 7)


def test_enumerated_array_shapes() -> None:
    description = array_description((1, 3))
    for shape in ((1, 3), (2, 2, 2)):
        description.type.multiArrayType.enumeratedShapes.shapes.add(shape=shape)
    found = read_feature(description)
    assert isinstance(found, ArrayFeature) and found.flexible
    assert found.allows((1, 3)) and found.allows((2, 2, 2))
    assert not found.allows((3, 1)) and not found.allows((2, 2))


def test_ranges_of_array_shapes() -> None:
    description = array_description((1, 30))
    ranges = description.type.multiArrayType.shapeRange.sizeRanges
    ranges.add(lowerBound=1, upperBound=1)
    ranges.add(lowerBound=10, upperBound=-1)
    found = read_feature(description)
    assert isinstance(found, ArrayFeature) and found.flexible
    assert found.allows((1, 10)) and found.allows((1, 10**9))
    assert not found.allows((2, 10)) and not found.allows((1, 9)) and not found.allows((1, 10, 1))


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_a_size_of_zero_is_any_size(first: int, second: int) -> None:
    found = read_feature(array_description((0, 12, 0)))
    assert isinstance(found, ArrayFeature) and found.flexible
    assert found.allows((first, 12, second))
    assert not found.allows((first, 13, second)) and not found.allows((first, 12))


@given(st.integers(0, 50), st.integers(0, 50), st.integers(-5, 60))
def test_ranges_include_their_ends(lower: int, length: int, size: int) -> None:
    assert (size in Range(lower, lower + length)) == (lower <= size <= lower + length)
    assert (size in Range(lower, None)) == (lower <= size)
    assert "3" not in Range(0, None)


def test_ranges_are_written_as_people_do() -> None:
    assert (str(Range(1, 8)), str(Range(4, None))) == ("1..8", "4..")


@pytest.mark.parametrize(
    ("field", "value"), [("intDefaultValue", 3), ("floatDefaultValue", 0.5), ("doubleDefaultValue", -2.0)]
)
def test_optional_arrays_have_a_default(field: str, value: float) -> None:
    description = array_description((3,))
    description.type.isOptional = True
    setattr(description.type.multiArrayType, field, value)
    found = read_feature(description)
    assert isinstance(found, ArrayFeature) and found.optional and found.default == value


def test_without_a_default_there_is_none() -> None:
    found = read_feature(array_description(()))
    assert isinstance(found, ArrayFeature) and found.default is None and found.shape == ()


@pytest.mark.parametrize(
    ("description", "message"),
    [
        (describe(), "'x' no type"),
        (image_description(color_space=0), "colour space 0"),
        (image_description(color_space=77), "colour space 77"),
        (array_description((1,), 0), "data type 0"),
        (array_description((1,), -5), "data type -5"),
    ],
)
def test_unknown_types_are_refused(description: Any, message: str) -> None:
    with pytest.raises(InvalidModelError, match=message):
        read_feature(description)


def test_the_interface_of_a_classifier() -> None:
    spec = new_model()
    spec.description.input.append(image_description())
    spec.description.output.add(name="label").type.stringType.SetInParent()
    spec.description.output.add(name="probabilities").type.dictionaryType.stringKeyType.SetInParent()
    spec.description.predictedFeatureName = "label"
    spec.description.predictedProbabilitiesName = "probabilities"
    spec.neuralNetworkClassifier.stringClassLabels.vector.extend(["cat", "dog", "cat"])
    found = read_interface(spec)
    assert [feature.name for feature in found.inputs] == ["x"]
    assert [feature.name for feature in found.outputs] == ["label", "probabilities"]
    assert found.class_labels == ("cat", "dog", "cat")  # labels need not be unique
    assert (found.predicted_feature_name, found.predicted_probabilities_name) == ("label", "probabilities")


def test_labels_may_be_integers_and_come_from_the_last_classifier_of_a_pipeline() -> None:
    spec = new_model()
    models = spec.pipelineClassifier.pipeline.models
    models.add().neuralNetworkClassifier.stringClassLabels.vector.append("first")
    models.add().neuralNetworkClassifier.int64ClassLabels.vector.extend([7, -1])
    models.add().neuralNetwork.SetInParent()
    assert read_interface(spec).class_labels == (7, -1)


def test_only_classifiers_have_labels() -> None:
    spec = new_model()
    spec.neuralNetwork.SetInParent()
    assert read_interface(spec).class_labels is None
    spec.neuralNetworkClassifier.SetInParent()
    assert read_interface(spec).class_labels is None
    spec.pipelineClassifier.SetInParent()
    assert read_interface(spec).class_labels is None


@pytest.mark.parametrize("side", ["input", "output"])
def test_two_features_of_one_name_are_refused(side: str) -> None:
    spec = new_model()
    for _ in range(2):
        getattr(spec.description, side).append(array_description((1,)))
    with pytest.raises(InvalidModelError, match=f"two of the model's {side}s have the name 'x'"):
        read_interface(spec)
