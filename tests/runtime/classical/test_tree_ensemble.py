"""Tree ensembles against scikit-learn, by hand, and damaged ones."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest
from classical_specs import (
    add_branch,
    add_leaf,
    classifier,
    predict,
    regressor,
    tree_classifier,
    tree_regressor,
)
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor, RandomForestClassifier
from sklearn.tree import DecisionTreeRegressor

import mltoolkit as mlt
from mltoolkit.errors import InputError, InvalidModelError, UnsupportedModelError

# Orders of float64 additions.
TOLERANCE = 1e-12


def data(seed: int = 0) -> tuple[Any, Any]:
    """scikit-learn's trees round features to float32, so that all points are float32 numbers."""
    points = np.random.default_rng(seed).normal(size=(80, 5)).astype(np.float32)
    return points, points[:, 0] * 2 + np.sin(points[:, 1] * 3)


def add_tree(ensemble: Any, tree: Any, number: int, values: Any) -> None:
    """A fitted tree; ``values`` gives the leaf's sparse values from scikit-learn's."""
    for node in range(tree.node_count):
        if tree.children_left[node] < 0:
            add_leaf(ensemble, node, values(tree.value[node][0]), tree=number)
        else:
            add_branch(
                ensemble,
                node,
                int(tree.feature[node]),
                float(tree.threshold[node]),
                int(tree.children_left[node]),
                int(tree.children_right[node]),
                treeId=number,
                missingValueTracksTrueChild=bool(tree.missing_go_to_left[node]),
            )


def test_missing_values_go_where_scikit_learn_sends_them() -> None:
    points, target = data()
    points[np.random.default_rng(1).random(points.shape) < 0.2] = np.nan
    fitted = DecisionTreeRegressor(max_depth=6, random_state=0).fit(points, target)
    assert len(set(fitted.tree_.missing_go_to_left.tolist())) == 2, "both ways must occur"
    spec = regressor({f"x{place}": "double" for place in range(5)})
    for feature in spec.description.input:
        feature.type.isOptional = True
    ensemble = spec.treeEnsembleRegressor.treeEnsemble
    ensemble.numPredictionDimensions = 1
    add_tree(ensemble, fitted.tree_, 0, lambda value: {0: float(value[0])})
    model = mlt.Model.from_spec(spec)
    for point, wanted in zip(points, fitted.predict(points), strict=True):
        named = {f"x{place}": float(number) for place, number in enumerate(point)}
        assert model.predict(named)["target"] == wanted
        # An input that is not given is as missing as NaN.
        given = {name: number for name, number in named.items() if not np.isnan(number)}
        assert model.predict(given)["target"] == wanted


def test_forest_equals_scikit_learn() -> None:
    points, target = data()
    labels = np.array(["low", "middle", "top"])[np.digitize(target, [-1, 1])]
    fitted = RandomForestClassifier(n_estimators=12, random_state=0).fit(points, labels)
    spec = classifier({"x": (5,)}, "treeEnsembleClassifier", fitted.classes_.tolist())
    ensemble = spec.treeEnsembleClassifier.treeEnsemble
    ensemble.numPredictionDimensions = 3
    for number, tree in enumerate(fitted.estimators_):
        # Shares of classes, a twelfth from each tree.
        add_tree(ensemble, tree.tree_, number, lambda value: dict(enumerate(value / value.sum() / 12)))
    model = mlt.Model.from_spec(spec)
    for point, wanted in zip(points, fitted.predict_proba(points), strict=True):
        np.testing.assert_allclose(model.predict_raw({"x": point})["probabilities"], wanted, atol=TOLERANCE)


@pytest.mark.parametrize("classes", [0, 2, 4])
def test_boosted_trees_equal_scikit_learn(classes: int) -> None:
    points, target = data()
    machine = GradientBoostingClassifier if classes else GradientBoostingRegressor
    if classes:
        target = np.digitize(target, [-1, 0, 1] if classes == 4 else [0])
    fitted = machine(n_estimators=15, learning_rate=0.3, random_state=0).fit(points, target)
    if classes:
        spec = classifier({"x": (5,)}, "treeEnsembleClassifier", range(classes))
        # 1 is the softmax, 2 the logistic function, 3 the softmax beside a zero, the same for two classes.
        spec.treeEnsembleClassifier.postEvaluationTransform = 1 if classes == 4 else 3
        ensemble = spec.treeEnsembleClassifier.treeEnsemble
    else:
        spec = regressor({"x": (5,)})
        ensemble = spec.treeEnsembleRegressor.treeEnsemble
    base = fitted._raw_predict_init(points[:1])[0]
    ensemble.numPredictionDimensions = len(base)
    ensemble.basePredictionValue.extend(base)
    for number, tree in enumerate(fitted.estimators_.reshape(-1)):
        place = number % len(base)
        add_tree(
            ensemble,
            tree.tree_,
            number,
            lambda value, index=place: {index: float(value[0]) * 0.3},
        )
    model = mlt.Model.from_spec(spec)
    for place, point in enumerate(points):
        if classes:
            made = model.predict_raw({"x": point})["probabilities"]
            np.testing.assert_allclose(made, fitted.predict_proba(points)[place], atol=TOLERANCE)
        else:
            assert model.predict({"x": point})["target"] == pytest.approx(fitted.predict(points)[place], rel=TOLERANCE)


@pytest.mark.parametrize(
    ("mode", "compare"),
    list(enumerate([operator.le, operator.lt, operator.ge, operator.gt, operator.eq, operator.ne])),
)
@pytest.mark.parametrize("missing", [False, True])
def test_branch_modes(mode: int, compare: Any, missing: bool) -> None:
    spec = regressor({"x": "double"})
    ensemble = spec.treeEnsembleRegressor.treeEnsemble
    ensemble.numPredictionDimensions = 1
    add_branch(ensemble, 5, 0, 1.5, 3, 4, mode=mode, missingValueTracksTrueChild=missing)
    add_leaf(ensemble, 3, {0: 1.0})
    add_leaf(ensemble, 4, {0: 0.0})
    for value in (1.0, 1.5, 2.0, -np.inf, np.inf):
        assert predict(spec, {"x": value})["target"] == float(compare(value, 1.5))
    assert predict(spec, {"x": np.nan})["target"] == float(missing)


def test_examples_by_hand() -> None:
    spec, inputs = tree_regressor()
    assert predict(spec, inputs)["target"] == 10 + 2 + 100
    assert predict(spec, {"x": [1.0, 6.0]})["target"] == 10 + 1 + 100
    assert predict(spec, {"x": [2.0, 5.0]})["target"] == 10 + 3 + 100
    spec.treeEnsembleRegressor.postEvaluationTransform = 2
    spec.treeEnsembleRegressor.treeEnsemble.basePredictionValue[0] = -102.5
    assert predict(spec, inputs)["target"] == pytest.approx(1 / (1 + np.exp(0.5)))


def test_one_score_is_the_probability_of_the_second_class() -> None:
    spec = classifier({"x": "double"}, "treeEnsembleClassifier", ["no", "yes"])
    ensemble = spec.treeEnsembleClassifier.treeEnsemble
    ensemble.numPredictionDimensions = 1
    add_leaf(ensemble, 0, {0: 0.75})
    assert predict(spec, {"x": 0})["probabilities"] == {"no": 0.25, "yes": 0.75}
    spec.treeEnsembleClassifier.postEvaluationTransform = 2
    assert predict(spec, {"x": 0})["probabilities"]["yes"] == pytest.approx(1 / (1 + np.exp(-0.75)))
    spec.treeEnsembleClassifier.postEvaluationTransform = 1
    with pytest.raises(UnsupportedModelError, match="softmax"):
        predict(spec, {"x": 0})


def test_classes_without_labels_are_numbered() -> None:
    spec, inputs = tree_classifier()
    spec.treeEnsembleClassifier.ClearField("stringClassLabels")
    spec.description.output[0].type.int64Type.SetInParent()
    spec.description.output[1].type.dictionaryType.int64KeyType.SetInParent()
    assert mlt.Model.from_spec(spec).class_labels == (0, 1, 2)
    assert predict(spec, inputs)["label"] == 0


def circle(ensemble: Any) -> None:
    """Two branches that lead to each other, beside a sound tree."""
    add_branch(ensemble, 20, 0, 1.0, 21, 22, treeId=9)
    add_branch(ensemble, 21, 0, 1.0, 20, 23, treeId=9)
    add_leaf(ensemble, 22, {0: 1.0}, tree=9)
    add_leaf(ensemble, 23, {0: 1.0}, tree=9)


def double_parent(ensemble: Any) -> None:
    ensemble.nodes[2].falseChildNodeId = 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (circle, "circle"),
        (lambda trees: setattr(trees.nodes[2], "trueChildNodeId", 0), "circle|parents"),
        (lambda trees: setattr(trees.nodes[2], "trueChildNodeId", 2), "circle|parents|roots"),
        (double_parent, "two parents"),
        (lambda trees: setattr(trees.nodes[2], "trueChildNodeId", 77), "node 77, which does not exist"),
        (lambda trees: add_leaf(trees, 3, {0: 1.0}), "two nodes"),
        (lambda trees: add_leaf(trees, 30, {0: 1.0}), "several roots"),
        (lambda trees: add_leaf(trees, 0, {1: 1.0}, tree=8), "dimension 1"),
        (lambda trees: add_leaf(trees, 0, {2**63: 1.0}, tree=8), "dimension"),
        (lambda trees: trees.ClearField("nodes"), "no nodes"),
        (lambda trees: setattr(trees.nodes[0], "branchFeatureIndex", 2), "feature 2"),
        (lambda trees: setattr(trees.nodes[0], "branchFeatureIndex", 2**64 - 1), "feature"),
        (lambda trees: setattr(trees, "numPredictionDimensions", 2**62), "dimensions"),
        (lambda trees: setattr(trees, "numPredictionDimensions", 0), "dimensions"),
        (lambda trees: setattr(trees, "numPredictionDimensions", 2), "predicts 2|base values"),
        (lambda trees: trees.basePredictionValue.append(1.0), "base values"),
        (lambda trees: setattr(trees.nodes[0], "nodeBehavior", 7), "behaviour"),
    ],
)
def test_bad_trees_are_refused(change: Any, message: str) -> None:
    spec, inputs = tree_regressor()
    change(spec.treeEnsembleRegressor.treeEnsemble)
    with pytest.raises(InvalidModelError, match=message):
        predict(spec, inputs)


def test_bad_classifiers_are_refused() -> None:
    spec, inputs = tree_classifier()
    spec.treeEnsembleClassifier.stringClassLabels.vector.append("d")
    with pytest.raises(InvalidModelError, match="3 dimensions for 4 classes"):
        predict(spec, inputs)
    spec, inputs = tree_classifier()
    spec.treeEnsembleClassifier.ClearField("stringClassLabels")
    spec.treeEnsembleClassifier.treeEnsemble.numPredictionDimensions = 2**60
    with pytest.raises(InvalidModelError, match="more than it has nodes"):
        mlt.Model.from_spec(spec)


def test_open_inputs_that_are_too_short_are_refused() -> None:
    spec, _ = tree_regressor()
    del spec.description.input[0].type.multiArrayType.shape[:]
    with pytest.raises(InputError, match="at least 2 numbers"):
        predict(spec, {"x": [1.0]})
    assert predict(spec, {"x": [1.0, 2.0, 3.0]})["target"] == 111


def test_deep_trees_are_walked_in_a_loop() -> None:
    spec = regressor({"x": "double"})
    ensemble = spec.treeEnsembleRegressor.treeEnsemble
    ensemble.numPredictionDimensions = 1
    depth = 3000  # far more than Python's own limit of nested calls
    for node in range(depth):
        add_branch(ensemble, 2 * node, 0, float(node), 2 * node + 1, 2 * node + 2)
        add_leaf(ensemble, 2 * node + 1, {0: float(node)})
    add_leaf(ensemble, 2 * depth, {0: -1.0})
    model = mlt.Model.from_spec(spec)
    assert model.predict({"x": 1234.5})["target"] == 1235
    assert model.predict({"x": 1e9})["target"] == -1
