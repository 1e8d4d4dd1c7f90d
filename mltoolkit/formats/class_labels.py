"""A classifier's labels by class index, for every kind of classifier."""

from __future__ import annotations

from typing import Any

from mltoolkit.errors import InvalidModelError
from mltoolkit.formats.ml_program import program_labels

Labels = tuple[str, ...] | tuple[int, ...]


def class_labels(spec: Any, function: str = "") -> Labels | None:
    """The labels of a ``Model`` message; None if it is no classifier or brings none.

    A pipeline classifier has those of its last stage that has any. A nearest-neighbour classifier stores a
    label for each of its points: its classes are the different ones in the order of their first use, or its
    default label alone as long as it has no points. Linear and tree classifiers without labels number their
    classes from 0.

    Args:
        spec: the message.
        function: for an ML Program of several functions, which one; by default the program's own default.

    Raises:
        InvalidModelError: there are more classes than the model has values for.
    """
    kind = spec.WhichOneof("Type")
    if kind == "mlProgram":
        return program_labels(spec, function)
    if kind == "pipelineClassifier":
        for stage in reversed(spec.pipelineClassifier.pipeline.models):
            labels = class_labels(stage)
            if labels is not None:
                return labels
        return None
    if kind is None or not kind.endswith("Classifier"):
        return None
    classifier = getattr(spec, kind)
    # The oneof is ClassLabels in every classifier of the format.
    if "ClassLabels" not in classifier.DESCRIPTOR.oneofs_by_name:
        return None
    which = classifier.WhichOneof("ClassLabels")
    stored = () if which is None else tuple(getattr(classifier, which).vector)
    if kind == "kNearestNeighborsClassifier":
        return tuple(dict.fromkeys(stored)) or _default_label(classifier)
    if not stored and kind == "glmClassifier":
        # GLMClassifier.ClassEncoding: 0 is ReferenceClass; one row of weights stands for two classes in both.
        rows = len(classifier.weights)
        return tuple(range(rows + (classifier.classEncoding == 0 or rows == 1)))
    if not stored and kind == "treeEnsembleClassifier":
        return _numbered(classifier.treeEnsemble)
    return None if which is None else stored


def _default_label(classifier: Any) -> Labels | None:
    which = classifier.WhichOneof("DefaultClassLabel")
    return None if which is None else (getattr(classifier, which),)


def _numbered(ensemble: Any) -> Labels:
    dimensions = int(ensemble.numPredictionDimensions)
    if dimensions > max(1, len(ensemble.basePredictionValue), len(ensemble.nodes)):
        raise InvalidModelError(f"the tree ensemble declares {dimensions:,} classes, more than it has nodes")
    # A single value is the score of the second of two classes.
    return tuple(range(max(2, dimensions)))
