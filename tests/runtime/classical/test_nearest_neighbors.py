"""Nearest neighbours against scikit-learn, and Apple's drawing classifier as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from classical_specs import neighbors, predict
from sklearn.neighbors import KNeighborsClassifier

import mltoolkit as mlt
from mltoolkit.errors import InvalidModelError


def data() -> tuple[Any, Any, Any]:
    generator = np.random.default_rng(0)
    points = generator.normal(size=(70, 2)).astype(np.float32)
    labels = generator.choice(list("abc"), 70)
    return points, labels, generator.normal(size=(40, 2)).astype(np.float32)


@pytest.mark.parametrize("weighting", ["uniform", "inverse"])
@pytest.mark.parametrize("k", [1, 5, 70, 99])
def test_shares_equal_scikit_learn(weighting: str, k: int) -> None:
    points, labels, queries = data()
    spec, _ = neighbors(points, "".join(labels))
    model = spec.kNearestNeighborsClassifier
    model.numberOfNeighbors.defaultValue = k
    weights: Any = "uniform"
    if weighting == "inverse":
        model.inverseDistanceWeighting.SetInParent()

        def weights(distances: Any) -> Any:
            # The format's distance is the squared one.
            return 1 / distances**2

    fitted = KNeighborsClassifier(min(k, 70), weights=weights).fit(points, labels)
    loaded = mlt.Model.from_spec(spec)
    assert sorted(loaded.class_labels or ()) == ["a", "b", "c"]
    for query, wanted in zip(queries, fitted.predict_proba(queries), strict=True):
        made = loaded.predict({"x": query})["probabilities"]
        # float64 sums of float32 points against scikit-learn's float32.
        assert [made[label] for label in "abc"] == pytest.approx(wanted, abs=1e-5)


def test_points_at_distance_zero_leave_nothing_to_others() -> None:
    spec, _ = neighbors()
    spec.kNearestNeighborsClassifier.inverseDistanceWeighting.SetInParent()
    spec.kNearestNeighborsClassifier.numberOfNeighbors.defaultValue = 3
    assert predict(spec, {"x": [5.0, 5.0]}) == {"label": "b", "probabilities": {"a": 0.0, "b": 1.0}}


def test_of_points_equally_far_the_first_is_nearer() -> None:
    spec, _ = neighbors(((0, 1), (0, -1), (1, 0)), "xyz")
    spec.kNearestNeighborsClassifier.numberOfNeighbors.defaultValue = 1
    assert predict(spec, {"x": [0.0, 0.0]})["label"] == "x"


def test_without_points_the_default_label_is_the_answer() -> None:
    spec, inputs = neighbors((), "a")
    del spec.kNearestNeighborsClassifier.stringClassLabels.vector[:]
    model = mlt.Model.from_spec(spec)
    assert model.class_labels == ("unknown",)
    assert model.predict(inputs) == {"label": "unknown", "probabilities": {"unknown": 1.0}}


def test_integer_labels() -> None:
    spec, inputs = neighbors()
    spec.kNearestNeighborsClassifier.int64ClassLabels.vector.extend([4, 4, -1])
    spec.description.output[0].type.int64Type.SetInParent()
    spec.description.output[1].type.dictionaryType.int64KeyType.SetInParent()
    assert predict(spec, inputs) == {"label": 4, "probabilities": {4: 1.0, -1: 0.0}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda knn: knn.stringClassLabels.vector.append("c"), "3 points have 4 labels"),
        (lambda knn: knn.nearestNeighborsIndex.floatSamples[1].vector.append(1.0), "3 dimensions, not 2"),
        (lambda knn: setattr(knn.nearestNeighborsIndex, "numberOfDimensions", 2**31 - 1), "takes"),
        (lambda knn: setattr(knn.nearestNeighborsIndex, "numberOfDimensions", -1), "takes"),
        (lambda knn: setattr(knn.numberOfNeighbors, "defaultValue", 0), "neighbours 0"),
        (lambda knn: setattr(knn.numberOfNeighbors, "defaultValue", 101), "neighbours 101"),
        (lambda knn: knn.numberOfNeighbors.set.values.append(3), "neighbours 2"),
        (lambda knn: knn.ClearField("uniformWeighting"), "weighting"),
        (lambda knn: knn.nearestNeighborsIndex.ClearField("squaredEuclideanDistance"), "distance"),
    ],
)
def test_bad_models_are_refused(change: Any, message: str) -> None:
    spec, inputs = neighbors()
    change(spec.kNearestNeighborsClassifier)
    with pytest.raises(InvalidModelError, match=message):
        predict(spec, inputs)


def test_a_classifier_without_any_label_is_refused() -> None:
    spec, inputs = neighbors((), "a")
    spec.kNearestNeighborsClassifier.ClearField("stringClassLabels")
    spec.kNearestNeighborsClassifier.ClearField("defaultStringLabel")
    with pytest.raises(InvalidModelError, match="no class labels"):
        predict(spec, inputs)


def test_the_drawing_classifier_runs_as_a_whole(shared_data: Path) -> None:
    model = mlt.load(shared_data / "coreml" / "UpdatableDrawingClassifier.mlmodel")
    generator = np.random.default_rng(0)
    drawings = [generator.uniform(0, 255, (28, 28)).astype(np.uint8) for _ in range(5)]
    assert model.class_labels == ("unknown",)
    assert [answer["label"] for answer in model.predict([{"drawing": item} for item in drawings])] == ["unknown"] * 5
    # Taught as a device does it: the embedding of each drawing is stored with its label.
    embed = model.stages["stage 1"]
    taught = type(model.spec)()
    taught.CopyFrom(model.spec)
    knn = taught.pipelineClassifier.pipeline.models[1].kNearestNeighborsClassifier
    for drawing, label in zip(drawings, "abcab", strict=True):
        knn.nearestNeighborsIndex.floatSamples.add(vector=embed.predict({"drawing": drawing})["embedding"])
        knn.stringClassLabels.vector.append(label)
    knn.numberOfNeighbors.defaultValue = 1
    again = mlt.Model.from_spec(taught)
    assert again.class_labels == ("a", "b", "c")
    for drawing, label in zip(drawings, "abcab", strict=True):
        answer = again.predict({"drawing": drawing})
        assert answer["label"] == label
        assert answer["labelProbs"][label] == 1.0
