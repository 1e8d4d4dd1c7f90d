"""Vectorizers, scaler, imputer, encoder, mapping, normalizer, extractor, identity."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from classical_specs import (
    INT32,
    array_feature_extractor,
    categorical_mapping,
    described,
    dict_vectorizer,
    feature_vectorizer,
    identity,
    imputer,
    normalizer,
    one_hot_encoder,
    predict,
    scaler,
)
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import Normalizer, StandardScaler

from mltoolkit.errors import InputError, InvalidModelError, PredictionError

POINTS = np.random.default_rng(0).normal(3.0, 2.0, size=(20, 3))


def made(pair: tuple[Any, dict[str, Any]], **inputs: Any) -> Any:
    """The only output of an example, for its own or other inputs."""
    spec, own = pair
    (value,) = predict(spec, own | inputs).values()
    return value


def test_features_stand_in_the_lists_order() -> None:
    np.testing.assert_array_equal(made(feature_vectorizer()), [2.0, 3.0, 1.5, 0.0, 0.0, 4.0, 5.0])
    with pytest.raises(InputError, match="key 3 is no place among 3"):
        made(feature_vectorizer(), c={3: 1.0})
    with pytest.raises(InputError, match="whole numbers"):
        made(feature_vectorizer(), c={"2": 1.0})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda columns: columns.add(inputColumn="e", inputDimensions=1), "no input"),
        (lambda columns: setattr(columns[0], "inputDimensions", 3), "expects 3 numbers"),
        (lambda columns: setattr(columns[2], "inputDimensions", 2**63), "places"),
        (lambda columns: setattr(columns[2], "inputDimensions", 0), "places"),
        (lambda columns: setattr(columns[2], "inputDimensions", 4), "makes 8 numbers"),
        (lambda columns: columns.pop(), "makes 6 numbers"),
    ],
)
def test_bad_vectorizers_are_refused(change: Any, message: str) -> None:
    spec, inputs = feature_vectorizer()
    change(spec.featureVectorizer.inputList)
    with pytest.raises(InvalidModelError, match=message):
        predict(spec, inputs)


def test_dictionaries_stand_at_their_keys_places() -> None:
    # The example of DictVectorizer.proto.
    np.testing.assert_array_equal(made(dict_vectorizer()), [4.0, 8.0, 0.0, 0.0])
    np.testing.assert_array_equal(made(dict_vectorizer(), x={"unknown": 1}), np.zeros(4))
    spec = described({"x": "string dictionary"}, {"y": "int64 dictionary"})
    spec.dictVectorizer.int64ToIndex.vector.extend([30, 10])
    # coremltools' converter describes texts as keys for a map of integers.
    assert made((spec, {"x": {10: 2.5, 99: 1}})) == {1: 2.5}


def test_the_scaler_equals_scikit_learn() -> None:
    fitted = StandardScaler().fit(POINTS)
    spec = described({"x": (3,)}, {"y": (3,)})
    spec.scaler.shiftValue.extend(-fitted.mean_)
    spec.scaler.scaleValue.extend(1 / fitted.scale_)
    for point, wanted in zip(POINTS, fitted.transform(POINTS), strict=True):
        np.testing.assert_allclose(predict(spec, {"x": point})["y"], wanted, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(made(scaler()), [1.0, 1.0, 0.0])


def test_scaled_integers_must_stay_integers() -> None:
    spec = described({"x": "int64"}, {"y": "int64"})
    spec.scaler.scaleValue.append(0.5)
    spec.scaler.shiftValue.append(1)
    assert made((spec, {"x": 3})) == 2
    with pytest.raises(PredictionError, match="no integer"):
        predict(spec, {"x": 4})


@pytest.mark.parametrize("field", ["shiftValue", "scaleValue"])
def test_bad_scalers_are_refused(field: str) -> None:
    spec, inputs = scaler()
    getattr(spec.scaler, field).append(1.0)
    with pytest.raises(InvalidModelError, match="for 3 numbers"):
        predict(spec, inputs)


@pytest.mark.parametrize(("norm", "name"), [(1, "l1"), (2, "l2")])
def test_norms_equal_scikit_learn(norm: int, name: str) -> None:
    spec = described({"x": (3,)}, {"y": (3,)})
    spec.normalizer.normType = norm
    for point, wanted in zip(POINTS, Normalizer(name).transform(POINTS), strict=True):
        np.testing.assert_allclose(predict(spec, {"x": point})["y"], wanted, rtol=1e-12)
    np.testing.assert_array_equal(predict(spec, {"x": [0, 0, 0]})["y"], [0, 0, 0])


def test_the_largest_value_is_a_norm() -> None:
    spec, _ = normalizer()
    spec.normalizer.normType = 0
    np.testing.assert_array_equal(predict(spec, {"x": [-3.0, 2.0]})["y"], [-1.5, 1.0])
    spec.normalizer.normType = 3
    with pytest.raises(InvalidModelError, match="norm 3"):
        predict(spec, {"x": [1.0, 2.0]})


def test_the_imputer_equals_scikit_learn() -> None:
    points = POINTS.copy()
    points[np.random.default_rng(1).random(points.shape) < 0.3] = np.nan
    fitted = SimpleImputer().fit(points)
    spec, _ = imputer()
    spec.imputer.imputedDoubleArray.vector[:] = fitted.statistics_
    for point, wanted in zip(points, fitted.transform(points), strict=True):
        np.testing.assert_array_equal(predict(spec, {"x": point})["y"], wanted)


def imputing(kind: Any, **fields: Any) -> Any:
    spec = described({"x": kind}, {"y": kind})
    spec.description.input[0].type.isOptional = True
    spec.imputer.SetInParent()
    for name, value in fields.items():
        field = getattr(spec.imputer, name, None)
        if isinstance(value, dict):
            field.map.update(value)
        elif isinstance(value, list):
            field.vector.extend(value)
        else:
            setattr(spec.imputer, name, value)
    return spec


@pytest.mark.parametrize(
    ("spec", "cases"),
    [
        (imputing("double", imputedDoubleValue=7.5), [(1.0, 1.0), (math.nan, 7.5), (None, 7.5)]),
        (imputing("double", imputedDoubleValue=7.5, replaceDoubleValue=-1.0), [(-1.0, 7.5), (2.0, 2.0)]),
        (imputing("int64", imputedInt64Value=7, replaceInt64Value=-1), [(-1, 7), (2, 2), (None, 7)]),
        (
            imputing("string", imputedStringValue="?", replaceStringValue=""),
            [("", "?"), ("a", "a"), (None, "?")],
        ),
        (imputing((2,), imputedDoubleValue=7.5), [([1.0, math.nan], [1.0, 7.5]), (None, [7.5, 7.5])]),
        (
            imputing((INT32, (2,)), imputedInt64Array=[5, 6], replaceInt64Value=0),
            [([0, 0], [5, 6]), ([3, 0], [3, 6]), (None, [5, 6])],
        ),
        (
            imputing("string dictionary", imputedStringDictionary={"a": 1.5}),
            [({"a": math.nan, "b": 2.0}, {"a": 1.5, "b": 2.0}), (None, {"a": 1.5})],
        ),
        (imputing("int64 dictionary", imputedInt64Dictionary={4: 1.5}), [({4: math.nan}, {4: 1.5})]),
    ],
)
def test_every_kind_of_imputed_value(spec: Any, cases: list[tuple[Any, Any]]) -> None:
    for given, wanted in cases:
        value = predict(spec, {"x": given})["y"]
        assert (value.tolist() if isinstance(value, np.ndarray) else value) == wanted


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (imputing("double"), "no value to impute"),
        (imputing("double", imputedStringValue="a"), "type Scalar"),
        (imputing("double", imputedDoubleValue=1.0, replaceStringValue="a"), "does not go with"),
        (imputing((2,), imputedDoubleArray=[1.0, 2.0, 3.0]), "3 values for an array of 2"),
        (imputing("int64 dictionary", imputedStringDictionary={"a": 1.0}), "keys"),
    ],
)
def test_bad_imputers_are_refused(spec: Any, message: str) -> None:
    with pytest.raises(InvalidModelError, match=message):
        predict(spec, {"x": None})


def test_categories_are_one_hot() -> None:
    np.testing.assert_array_equal(made(one_hot_encoder()), [0.0, 1.0, 0.0])
    with pytest.raises(InputError, match="Did you mean 'green'"):
        made(one_hot_encoder(), x="greem")
    spec, _ = one_hot_encoder()
    spec.oneHotEncoder.handleUnknown = 1
    np.testing.assert_array_equal(predict(spec, {"x": "pink"})["y"], np.zeros(3))


def test_sparse_categories() -> None:
    spec = described({"x": "int64"}, {"y": "int64 dictionary"})
    spec.oneHotEncoder.int64Categories.vector.extend([40, 50])
    spec.oneHotEncoder.outputSparse = True
    spec.oneHotEncoder.handleUnknown = 1
    assert made((spec, {"x": 50})) == {1: 1.0}
    assert made((spec, {"x": 7})) == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda encoder: encoder.stringCategories.vector.append("red"), "'red' stands twice"),
        (lambda encoder: encoder.ClearField("stringCategories"), "no categories"),
        (lambda encoder: encoder.int64Categories.vector.append(1), "type String"),
        (lambda encoder: setattr(encoder, "outputSparse", True), "type Array"),
        (lambda encoder: setattr(encoder, "handleUnknown", 5), "unknown categories"),
    ],
)
def test_bad_encoders_are_refused(change: Any, message: str) -> None:
    spec, inputs = one_hot_encoder()
    change(spec.oneHotEncoder)
    with pytest.raises(InvalidModelError, match=message):
        predict(spec, inputs)


def test_texts_become_integers_and_back() -> None:
    assert made(categorical_mapping()) == 2
    with pytest.raises(InputError, match=r"no 'tow'.*'two'"):
        made(categorical_mapping(), x="tow")
    spec = described({"x": "int64 list"}, {"y": "string list"})
    spec.categoricalMapping.int64ToStringMap.map.update({1: "one"})
    spec.categoricalMapping.strValue = "many"
    assert made((spec, {"x": [1, 5, 1]})) == ["one", "many", "one"]
    spec.categoricalMapping.int64Value = 1
    with pytest.raises(InvalidModelError, match="default"):
        predict(spec, {"x": [1]})


def test_values_are_taken_out_of_arrays() -> None:
    np.testing.assert_array_equal(made(array_feature_extractor()), [3.0, 1.0])
    spec = described({"x": (2, 2)}, {"y": "int64"})
    spec.arrayFeatureExtractor.extractIndex.append(2)
    value = made((spec, {"x": [[1, 2], [3, 4]]}))
    assert value == 3
    assert isinstance(value, int)
    for index in (4, 2**64 - 1):
        spec.arrayFeatureExtractor.extractIndex[0] = index
        with pytest.raises(InvalidModelError, match="the value at"):
            predict(spec, {"x": [[1, 2], [3, 4]]})


def test_the_identity_passes_everything_on() -> None:
    spec, inputs = identity()
    assert predict(spec, inputs) == {"y": 2.5, "u": "text"}
    spec.description.output[1].type.doubleType.SetInParent()
    with pytest.raises(InvalidModelError, match="another type"):
        predict(spec, inputs)


def test_values_of_the_wrong_type_are_named() -> None:
    for pair, value, message in (
        (one_hot_encoder(), 3, "takes a text, not int"),
        (dict_vectorizer(), [1], "takes a dictionary, not list"),
        (dict_vectorizer(), {"a": "b"}, "value of the key 'a' is no number"),
        (dict_vectorizer(), {1: 2}, "keys must be texts"),
        (scaler(), "a", "numbers"),
    ):
        with pytest.raises(InputError, match=message):
            made(pair, x=value)
