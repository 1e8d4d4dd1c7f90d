"""Kinds of models that no file holds enough of to run them elsewhere, and why."""

from __future__ import annotations

from mltoolkit.errors import UnsupportedModelError

_LANGUAGE = "its parameters are in the private format of Apple's Natural Language framework"
_REASONS = {
    "textClassifier": _LANGUAGE,
    "wordTagger": _LANGUAGE,
    "wordEmbedding": _LANGUAGE,
    "gazetteer": _LANGUAGE,
    "visionFeaturePrint": "its network is part of Apple's operating systems, not of the file",
    "audioFeaturePrint": "its network is part of Apple's operating systems, not of the file",
    "classConfidenceThresholding": "the file holds precision and recall curves for Apple's Vision framework, "
    "and the format does not say what a prediction does with them",
    "bayesianProbitRegressor": "the format stores neither the scale of its link function nor how it samples",
    "linkedModel": "it names a compiled model in another file, which only Core ML reads",
    "customModel": "its code is an Objective-C or Swift class in the app, not in the file",
    "serializedModel": "its content is in the private format of the framework that wrote it",
}


def refusal(kind: str | None) -> UnsupportedModelError:
    """The error that says why a kind of model cannot be run."""
    reason = _REASONS.get(kind or "")
    return UnsupportedModelError(
        f"a model of kind {kind} cannot be run here" + (f": {reason}" if reason else ""),
        fix="The other models of its pipeline can be run one by one: see model.stages" if reason else None,
    )
