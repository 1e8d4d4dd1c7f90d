"""Raw arrays as the described outputs."""

from __future__ import annotations

import numpy as np

from mltoolkit.formats.features import (
    ArrayFeature,
    DictionaryFeature,
    ImageFeature,
    Interface,
    ScalarFeature,
    StringFeature,
)
from mltoolkit.runtime.outputs import label_probabilities, present_outputs, top_class

CLASSIFIER = Interface(
    inputs=(),
    outputs=(StringFeature("label", "", False), DictionaryFeature("probabilities", "", False, "string")),
    predicted_feature_name="label",
    predicted_probabilities_name="probabilities",
    class_labels=("cat", "pot", "pot"),
)


def test_ties_go_to_the_lowest_index() -> None:
    assert top_class(np.array([0.1, 0.45, 0.45])) == 1


def test_repeated_labels_get_the_larger_probability() -> None:
    assert label_probabilities(("pot", "cat", "pot"), np.array([0.5, 0.2, 0.3])) == {"pot": 0.5, "cat": 0.2}


def test_classifiers_give_label_and_dictionary() -> None:
    raw = {"probabilities": np.array([0.25, 0.5, 0.25], np.float32)}
    assert present_outputs(CLASSIFIER, raw, "probabilities") == {
        "label": "pot",
        "probabilities": {"cat": 0.25, "pot": 0.5},
    }


def test_other_outputs_have_their_described_type() -> None:
    interface = Interface(
        inputs=(),
        outputs=(
            ArrayFeature("a", "", False, (2,), "float64"),
            ArrayFeature("b", "", False, (2,), "int32"),
            ScalarFeature("c", "", False, "float64"),
            ScalarFeature("d", "", False, "int64"),
            ImageFeature("e", "", False, 2, 1, "GRAY"),
        ),
    )
    raw = {
        "a": np.ones(2, np.float32),
        "b": np.ones(2, np.int32),
        "c": np.array([2.5], np.float32),
        "d": np.array([3.0], np.float32),
        "e": np.zeros((1, 1, 2), np.float32),
    }
    results = present_outputs(interface, raw, "")
    assert results["a"].dtype == np.float64
    assert results["b"].dtype == np.int32
    assert results["c"] == 2.5
    assert isinstance(results["d"], int) and results["d"] == 3
    assert results["e"].size == (2, 1)
