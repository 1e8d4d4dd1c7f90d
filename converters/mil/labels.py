"""The classes that a classifier tells, and what its outputs are called."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mltoolkit.converters.mil.interface import DeclaredInterface
from mltoolkit.converters.mil.target import Classifier
from mltoolkit.errors import ArgumentError, did_you_mean


@dataclass(frozen=True)
class ClassNames:
    """A classifier's labels and the names of its outputs.

    Attributes:
        labels: the classes by index.
        label: the output that holds the likeliest label.
        probabilities: the output that holds the dictionary label → probability.
        output: which of the declared outputs holds the probabilities.
    """

    labels: tuple[str, ...] | tuple[int, ...]
    label: str
    probabilities: str
    output: str


def class_names(classifier: Classifier, interface: DeclaredInterface) -> ClassNames:
    """Read what was given as labels, and find the output with the probabilities.

    Raises:
        ArgumentError: the labels are none, or the output is none of the source's.
    """
    known = {str(item.value.name): item.name for item in interface.outputs}
    wanted = classifier.probabilities
    if wanted is None:
        if len(known) != 1:
            raise ArgumentError(
                f"the source has the outputs {', '.join(map(repr, known))}; which holds the probabilities?",
                fix="Name it with Classifier(probabilities=...)",
            )
        wanted = next(iter(known))
    if wanted not in known:
        raise ArgumentError(f"the source has no output {wanted!r}", fix=did_you_mean(wanted, known))
    label = classifier.predicted_feature_name
    probabilities = classifier.probabilities_name or f"{label}_probs"
    taken = {item.name for item in interface.inputs} | {item.name for item in interface.outputs} - {known[wanted]}
    for name in (label, probabilities):
        if name in taken or label == probabilities or not name:
            raise ArgumentError(f"{name!r} cannot name an output of the classifier: the model has one of that name")
    return ClassNames(read_labels(classifier), label, probabilities, known[wanted])


def read_labels(classifier: Classifier) -> tuple[str, ...] | tuple[int, ...]:
    """The labels by class index, read from their file where one is given.

    Raises:
        ArgumentError: there are none, they are neither texts nor whole numbers, or the file cannot be read.
    """
    given = classifier.labels
    if isinstance(given, (str, os.PathLike)):
        path = Path(given)
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ArgumentError(
                f"the class labels cannot be read from {str(path)!r}: {error}",
                fix="Give a text file with one label a line, or the labels themselves",
            ) from error
        while lines and not lines[-1].strip():
            lines.pop()
        given = [line.strip() for line in lines]
        if "" in given:
            raise ArgumentError(
                f"line {given.index('') + 1} of the class labels is empty", where=str(path), fix="Give each a name"
            )
    labels: tuple[Any, ...] = tuple(given)
    texts = all(isinstance(label, str) for label in labels)
    numbers = all(isinstance(label, int) and not isinstance(label, bool) for label in labels)
    if not labels or not (texts or numbers):
        raise ArgumentError("class labels are texts or whole numbers, at least one", fix="Give a list of either")
    return labels


def check_count(names: ClassNames, classes: int | None) -> None:
    """Compare the number of labels with the number of classes.

    Raises:
        ArgumentError: they differ, or the number of classes is only known when the model runs.
    """
    if classes is None:
        raise ArgumentError(f"the number of classes of the output {names.output!r} is flexible")
    if classes != len(names.labels):
        raise ArgumentError(
            f"there are {len(names.labels)} class labels for the {classes} classes of the output {names.output!r}",
            fix="Give one label a class",
        )
