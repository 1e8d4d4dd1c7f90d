"""Generalized linear models against scikit-learn and SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from classical_specs import classifier, glm_classifier, linear, predict, regressor
from scipy.stats import norm
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

import mltoolkit as mlt
from mltoolkit.errors import InputError, InvalidModelError

# Two orders of float64 additions of some ten terms.
TOLERANCE = 1e-12


def data(classes: int = 3, seed: int = 0) -> tuple[Any, Any]:
    generator = np.random.default_rng(seed)
    points = generator.normal(size=(60, 4))
    return points, np.argmax(points @ generator.normal(size=(4, classes)), axis=1)


def test_regression_equals_scikit_learn() -> None:
    points, _ = data()
    fitted = LinearRegression().fit(points, points @ [1.0, -2.0, 0.5, 3.0] + 7.0)
    spec = linear(regressor({"x": (4,)}), "glmRegressor", fitted.coef_, fitted.intercept_)
    for point in points:
        assert predict(spec, {"x": point})["target"] == pytest.approx(fitted.predict([point])[0], rel=TOLERANCE)


def test_numbers_and_arrays_are_one_vector_in_the_descriptions_order() -> None:
    spec = linear(
        regressor({"b": "double", "a": (2,), "c": "int64"}), "glmRegressor", [1.0, 10.0, 100.0, 1000.0], [0.5]
    )
    assert predict(spec, {"a": [2, 3], "b": 1, "c": 4})["target"] == 1 + 20 + 300 + 4000 + 0.5


def test_several_targets_are_an_array() -> None:
    spec = linear(regressor({"x": (2,)}, (2,)), "glmRegressor", [[1.0, 2.0], [3.0, 4.0]], [0.0, 1.0])
    np.testing.assert_array_equal(predict(spec, {"x": [1.0, 1.0]})["target"], [3.0, 8.0])


@pytest.mark.parametrize(("link", "function"), [(1, lambda z: 1 / (1 + np.exp(-z))), (2, norm.cdf)])
def test_links_of_regression(link: int, function: Any) -> None:
    spec = linear(regressor({"x": "double"}), "glmRegressor", [1.0], [0.0])
    spec.glmRegressor.postEvaluationTransform = link
    for score in (-30.0, -1.5, 0.0, 0.7, 40.0):
        assert predict(spec, {"x": score})["target"] == pytest.approx(function(score), rel=1e-12)


@pytest.mark.parametrize("labels", [["no", "yes"], [4, 9]])
@pytest.mark.parametrize("encoding", [0, 1])
def test_two_classes_equal_scikit_learn(labels: list[Any], encoding: int) -> None:
    points, target = data(2)
    fitted = LogisticRegression().fit(points, np.array(labels)[target])
    spec = linear(classifier({"x": (4,)}, "glmClassifier", labels), "glmClassifier", fitted.coef_, fitted.intercept_)
    spec.glmClassifier.classEncoding = encoding
    for point in points:
        answer = predict(spec, {"x": point})
        assert answer["label"] == fitted.predict([point])[0]
        assert answer["probabilities"] == pytest.approx(
            dict(zip(labels, fitted.predict_proba([point])[0], strict=True)), abs=TOLERANCE
        )


def test_one_vs_rest_equals_scikit_learn() -> None:
    points, target = data()
    fitted = OneVsRestClassifier(LogisticRegression()).fit(points, target)
    weights = np.concatenate([one.coef_ for one in fitted.estimators_])
    offsets = np.concatenate([one.intercept_ for one in fitted.estimators_])
    spec = linear(classifier({"x": (4,)}, "glmClassifier", [0, 1, 2]), "glmClassifier", weights, offsets)
    spec.glmClassifier.classEncoding = 1
    model = mlt.Model.from_spec(spec)
    for point in points:
        raw = model.predict_raw({"x": point})["probabilities"]
        np.testing.assert_allclose(raw, fitted.predict_proba([point])[0], atol=TOLERANCE)
        assert model.predict({"x": point})["label"] == fitted.predict([point])[0]


def test_reference_class_is_the_softmax_with_a_zero() -> None:
    points, target = data()
    fitted = LogisticRegression().fit(points, target)
    # A softmax does not change when the first class's scores are taken off all of them.
    weights, offsets = fitted.coef_[1:] - fitted.coef_[0], fitted.intercept_[1:] - fitted.intercept_[0]
    spec = linear(classifier({"x": (4,)}, "glmClassifier", "pqr"), "glmClassifier", weights, offsets)
    for point in points:
        assert list(predict(spec, {"x": point})["probabilities"].values()) == pytest.approx(
            fitted.predict_proba([point])[0], abs=TOLERANCE
        )


def test_probit_of_two_classes() -> None:
    spec = linear(classifier({"x": "double"}, "glmClassifier", "ab"), "glmClassifier", [2.0], [-1.0])
    spec.glmClassifier.postEvaluationTransform = 1
    assert predict(spec, {"x": 0.8})["probabilities"]["b"] == pytest.approx(norm.cdf(0.6), rel=1e-12)


def test_classes_far_from_certain_still_sum_to_one() -> None:
    spec, _ = glm_classifier()
    answer = predict(spec, {"x": [-2000.0, -3000.0]})
    assert sum(answer["probabilities"].values()) == pytest.approx(1.0)
    assert answer["label"] == "a"


def test_classes_without_labels_are_numbered() -> None:
    spec, inputs = glm_classifier()
    spec.glmClassifier.ClearField("stringClassLabels")
    spec.description.output[0].type.int64Type.SetInParent()
    spec.description.output[1].type.dictionaryType.int64KeyType.SetInParent()
    assert mlt.Model.from_spec(spec).class_labels == (0, 1, 2)
    assert predict(spec, inputs)["label"] in (1, 2)


def test_undescribed_probabilities_have_a_name_in_raw_outputs() -> None:
    spec = classifier({"x": "double"}, "glmClassifier", "ab", probabilities=False)
    model = mlt.Model.from_spec(linear(spec, "glmClassifier", [1.0], [0.0]))
    assert model.predict({"x": 3.0}) == {"label": "b"}
    assert model.predict_raw({"x": 3.0})["classProbability"].argmax() == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda glm: glm.ClearField("weights"), "no rows of weights"),
        (lambda glm: glm.weights[1].value.append(1.0), "different lengths"),
        (lambda glm: glm.offset.append(1.0), "offsets"),
        (lambda glm: glm.stringClassLabels.vector.append("d"), "4 classes take 4 rows"),
        (lambda glm: setattr(glm, "classEncoding", 0), "3 classes take 2 rows"),
        (lambda glm: setattr(glm, "postEvaluationTransform", 1), "probit"),
        (lambda glm: setattr(glm, "postEvaluationTransform", 9), "not known"),
        (lambda glm: [row.value.append(1.0) for row in glm.weights], "takes 3 numbers"),
    ],
)
def test_bad_models_are_refused(change: Any, message: str) -> None:
    spec, inputs = glm_classifier()
    change(spec.glmClassifier)
    with pytest.raises(InvalidModelError, match=message):
        predict(spec, inputs)


def test_bad_inputs_are_refused() -> None:
    spec, _ = glm_classifier()
    with pytest.raises(InputError, match="Did you mean 'x'"):
        predict(spec, {"xx": 1})
    with pytest.raises(InputError, match="shape"):
        predict(spec, {"x": [1.0, 2.0, 3.0]})
    with pytest.raises(InputError, match="numbers"):
        predict(spec, {"x": ["a", "b"]})
