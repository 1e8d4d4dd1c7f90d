"""Small classical models as protobuf messages, with inputs for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

import mltoolkit as mlt
from mltoolkit.formats.protobuf import new_model

FLOAT32, DOUBLE, INT32 = 65568, 65600, 131104
Types = Mapping[str, Any]


def set_type(message: Any, kind: Any) -> None:
    """Describe a feature.

    ``kind`` is ``double``, ``int64``, ``string``, ``string dictionary``, ``int64 dictionary``, ``string
    list``, ``int64 list``, a tuple (an array of doubles of that shape), or a tuple after its data type.
    """
    if isinstance(kind, tuple):
        dtype, shape = kind if len(kind) == 2 and isinstance(kind[1], tuple) else (DOUBLE, kind)
        message.multiArrayType.dataType = dtype
        message.multiArrayType.shape.extend(shape)
    elif kind.endswith(" dictionary"):
        getattr(message.dictionaryType, kind.split()[0] + "KeyType").SetInParent()
    elif kind.endswith(" list"):
        getattr(message.sequenceType, kind.split()[0] + "Type").SetInParent()
    else:
        getattr(message, kind + "Type").SetInParent()


def described(inputs: Types, outputs: Types) -> Any:
    """A ``Model`` message with a description only."""
    spec = new_model()
    spec.specificationVersion = 4
    for features, side in ((inputs, spec.description.input), (outputs, spec.description.output)):
        for name, kind in features.items():
            set_type(side.add(name=name).type, kind)
    return spec


def regressor(inputs: Types, output: Any = "double") -> Any:
    """A message that describes a regressor of ``target``."""
    spec = described(inputs, {"target": output})
    spec.description.predictedFeatureName = "target"
    return spec


def classifier(inputs: Types, field: str, labels: Iterable[Any], *, probabilities: bool = True) -> Any:
    """A message that describes a classifier, with its labels."""
    labels = list(labels)
    kind = "string" if isinstance(labels[0], str) else "int64"
    outputs = {"label": kind} | ({"probabilities": f"{kind} dictionary"} if probabilities else {})
    spec = described(inputs, outputs)
    spec.description.predictedFeatureName = "label"
    if probabilities:
        spec.description.predictedProbabilitiesName = "probabilities"
    getattr(getattr(spec, field), f"{kind}ClassLabels").vector.extend(labels)
    return spec


def linear(spec: Any, field: str, weights: Any, offsets: Any) -> Any:
    """Fill in a generalized linear model."""
    for row in np.atleast_2d(weights):
        getattr(spec, field).weights.add(value=row)
    getattr(spec, field).offset.extend(np.atleast_1d(offsets))
    return spec


def glm_regressor() -> tuple[Any, dict[str, Any]]:
    spec = linear(regressor({"x": (2,), "y": "double"}), "glmRegressor", [1.0, 2.0, 3.0], [4.0])
    return spec, {"x": [1.0, 1.0], "y": 2.0}


def glm_classifier() -> tuple[Any, dict[str, Any]]:
    spec = classifier({"x": (2,)}, "glmClassifier", "abc")
    spec.glmClassifier.classEncoding = 1
    return linear(spec, "glmClassifier", [[1, 0], [0, 1], [1, 1]], [0, 0, -1]), {"x": [1.0, 2.0]}


def svm_regressor() -> tuple[Any, dict[str, Any]]:
    spec = regressor({"x": (2,)})
    machine = spec.supportVectorRegressor
    machine.kernel.rbfKernel.gamma = 0.5
    machine.denseSupportVectors.vectors.add(values=[0.0, 1.0])
    machine.denseSupportVectors.vectors.add(values=[2.0, 1.0])
    machine.coefficients.alpha.extend([1.0, -2.0])
    machine.rho = 0.25
    return spec, {"x": [0.0, 1.0]}


def svm_classifier() -> tuple[Any, dict[str, Any]]:
    spec = classifier({"x": (2,)}, "supportVectorClassifier", [7, 8, 9])
    machine = spec.supportVectorClassifier
    machine.kernel.polyKernel.degree = 2
    machine.kernel.polyKernel.gamma = 1.0
    machine.numberOfSupportVectorsPerClass.extend([1, 1, 1])
    for index in (1, 2, 1):
        machine.sparseSupportVectors.vectors.add().nodes.add(index=index, value=1.5)
    machine.coefficients.add(alpha=[1.0, -1.0, -0.5])
    machine.coefficients.add(alpha=[0.5, 0.25, -0.75])
    machine.rho.extend([0.1, 0.2, 0.3])
    machine.probA.extend([-1.0, -2.0, -1.5])
    machine.probB.extend([0.0, 0.1, -0.1])
    return spec, {"x": [1.0, -1.0]}


def add_branch(
    ensemble: Any, node: int, feature: int, value: float, true: int, false: int, mode: int = 0, **more: Any
) -> None:
    ensemble.nodes.add(
        nodeId=node,
        nodeBehavior=mode,
        branchFeatureIndex=feature,
        branchFeatureValue=value,
        trueChildNodeId=true,
        falseChildNodeId=false,
        **more,
    )


def add_leaf(ensemble: Any, node: int, values: Mapping[int, float], tree: int = 0) -> None:
    leaf = ensemble.nodes.add(nodeId=node, treeId=tree, nodeBehavior=6)
    for index, value in values.items():
        leaf.evaluationInfo.add(evaluationIndex=index, evaluationValue=value)


def tree_regressor() -> tuple[Any, dict[str, Any]]:
    spec = regressor({"x": (2,)})
    ensemble = spec.treeEnsembleRegressor.treeEnsemble
    ensemble.numPredictionDimensions = 1
    ensemble.basePredictionValue.append(10.0)
    add_branch(ensemble, 0, 0, 1.0, 1, 2)
    add_leaf(ensemble, 1, {0: 1.0})
    add_branch(ensemble, 2, 1, 5.0, 3, 4, mode=3)
    add_leaf(ensemble, 3, {0: 2.0})
    add_leaf(ensemble, 4, {0: 3.0})
    add_leaf(ensemble, 0, {0: 100.0}, tree=1)
    return spec, {"x": [2.0, 6.0]}


def tree_classifier() -> tuple[Any, dict[str, Any]]:
    spec = classifier({"x": (2,)}, "treeEnsembleClassifier", "abc")
    spec.treeEnsembleClassifier.postEvaluationTransform = 1
    ensemble = spec.treeEnsembleClassifier.treeEnsemble
    ensemble.numPredictionDimensions = 3
    add_branch(ensemble, 0, 0, 1.0, 1, 2)
    add_leaf(ensemble, 1, {0: 1.0, 2: 0.5})
    add_leaf(ensemble, 2, {1: 2.0})
    return spec, {"x": [0.0, 0.0]}


def neighbors(points: Any = ((0, 0), (1, 0), (5, 5)), labels: str = "aab") -> tuple[Any, dict[str, Any]]:
    spec = classifier({"x": (FLOAT32, (2,))}, "kNearestNeighborsClassifier", labels)
    model = spec.kNearestNeighborsClassifier
    model.defaultStringLabel = "unknown"
    model.numberOfNeighbors.defaultValue = 2
    model.numberOfNeighbors.range.minValue = 1
    model.numberOfNeighbors.range.maxValue = 100
    model.uniformWeighting.SetInParent()
    index = model.nearestNeighborsIndex
    index.numberOfDimensions = 2
    index.singleKdTreeIndex.leafSize = 30
    index.squaredEuclideanDistance.SetInParent()
    for point in points:
        index.floatSamples.add(vector=point)
    return spec, {"x": [0.2, 0.1]}


def feature_vectorizer() -> tuple[Any, dict[str, Any]]:
    spec = described({"a": "double", "b": (2,), "c": "int64 dictionary", "d": "int64"}, {"all": (7,)})
    for name, size in (("b", 2), ("a", 1), ("c", 3), ("d", 1)):
        spec.featureVectorizer.inputList.add(inputColumn=name, inputDimensions=size)
    return spec, {"a": 1.5, "b": [2.0, 3.0], "c": {2: 4.0}, "d": 5}


def dict_vectorizer() -> tuple[Any, dict[str, Any]]:
    spec = described({"x": "string dictionary"}, {"y": (4,)})
    spec.dictVectorizer.stringToIndex.vector.extend("acbz")
    return spec, {"x": {"a": 4, "c": 8}}


def scaler() -> tuple[Any, dict[str, Any]]:
    spec = described({"x": (3,)}, {"y": (3,)})
    spec.scaler.shiftValue.extend([1.0, 2.0, 3.0])
    spec.scaler.scaleValue.append(0.5)
    return spec, {"x": [1.0, 0.0, -3.0]}


def imputer() -> tuple[Any, dict[str, Any]]:
    spec = described({"x": (3,)}, {"y": (3,)})
    spec.imputer.imputedDoubleArray.vector.extend([10.0, 20.0, 30.0])
    spec.imputer.replaceDoubleValue = float("nan")
    return spec, {"x": [1.0, float("nan"), 3.0]}


def one_hot_encoder() -> tuple[Any, dict[str, Any]]:
    spec = described({"x": "string"}, {"y": (3,)})
    spec.oneHotEncoder.stringCategories.vector.extend(["red", "green", "blue"])
    return spec, {"x": "green"}


def categorical_mapping() -> tuple[Any, dict[str, Any]]:
    spec = described({"x": "string"}, {"y": "int64"})
    spec.categoricalMapping.stringToInt64Map.map.update({"one": 1, "two": 2})
    return spec, {"x": "two"}


def normalizer() -> tuple[Any, dict[str, Any]]:
    spec = described({"x": (2,)}, {"y": (2,)})
    spec.normalizer.normType = 2
    return spec, {"x": [3.0, 4.0]}


def array_feature_extractor() -> tuple[Any, dict[str, Any]]:
    spec = described({"x": (3,)}, {"y": (2,)})
    spec.arrayFeatureExtractor.extractIndex.extend([2, 0])
    return spec, {"x": [1.0, 2.0, 3.0]}


def identity() -> tuple[Any, dict[str, Any]]:
    spec = described({"x": "double", "t": "string"}, {"y": "double", "u": "string"})
    spec.identity.SetInParent()
    return spec, {"x": 2.5, "t": "text"}


def suppression() -> tuple[Any, dict[str, Any]]:
    spec = described(
        {"confidence": (4, 2), "boxes": (4, 4), "overlap": "double", "least": "double"},
        {"kept confidence": (), "kept boxes": ()},
    )
    for feature in list(spec.description.input)[2:]:
        feature.type.isOptional = True
    model = spec.nonMaximumSuppression
    model.pickTop.perClass = True
    model.stringClassLabels.vector.extend(["cat", "dog"])
    model.iouThreshold, model.confidenceThreshold = 0.5, 0.2
    model.confidenceInputFeatureName, model.coordinatesInputFeatureName = "confidence", "boxes"
    model.iouThresholdInputFeatureName, model.confidenceThresholdInputFeatureName = "overlap", "least"
    model.confidenceOutputFeatureName = "kept confidence"
    model.coordinatesOutputFeatureName = "kept boxes"
    boxes = np.array([[0, 0, 2, 2], [0.1, 0, 2, 2], [0, 0.1, 2, 2], [9, 9, 1, 1]], dtype=float)
    confidence = np.array([[0.6, 0.1], [0.8, 0.0], [0.1, 0.7], [0.15, 0.1]])
    return spec, {"confidence": confidence, "boxes": boxes}


def recommender() -> tuple[Any, dict[str, Any]]:
    spec = described(
        {"items": "string dictionary", "k": "int64", "only": "string list", "without": "string list"},
        {"list": "string list", "scores": "string dictionary"},
    )
    for feature in list(spec.description.input)[1:]:
        feature.type.isOptional = True
    model = spec.itemSimilarityRecommender
    model.itemStringIds.vector.extend(["tea", "milk", "rice", "salt"])
    for item, shift, similar in ((0, 0.0, {1: 0.9, 2: 0.1}), (1, 0.5, {0: 0.9, 3: 0.4}), (3, 0.0, {2: 0.2})):
        entry = model.itemItemSimilarities.add(itemId=item, itemScoreAdjustment=shift)
        for other, score in similar.items():
            entry.similarItemList.add(itemId=other, similarityScore=score)
    model.itemInputFeatureName, model.numRecommendationsInputFeatureName = "items", "k"
    model.itemRestrictionInputFeatureName, model.itemExclusionInputFeatureName = "only", "without"
    model.recommendedItemListOutputFeatureName = "list"
    model.recommendedItemScoreOutputFeatureName = "scores"
    return spec, {"items": {"tea": 2.0}}


def sound_preprocessing() -> tuple[Any, dict[str, Any]]:
    spec = described({"audio": (FLOAT32, (15600,))}, {"mel": (FLOAT32, (1, 96, 64))})
    spec.soundAnalysisPreprocessing.vggish.SetInParent()
    return spec, {"audio": np.sin(np.arange(15600) * 2 * np.pi * 1000 / 16000)}


EXAMPLES: tuple[Callable[[], tuple[Any, dict[str, Any]]], ...] = (
    array_feature_extractor,
    categorical_mapping,
    dict_vectorizer,
    feature_vectorizer,
    glm_classifier,
    glm_regressor,
    identity,
    imputer,
    neighbors,
    normalizer,
    one_hot_encoder,
    recommender,
    scaler,
    sound_preprocessing,
    suppression,
    svm_classifier,
    svm_regressor,
    tree_classifier,
    tree_regressor,
)


def predict(spec: Any, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What the model says."""
    return mlt.Model.from_spec(spec).predict(inputs)
