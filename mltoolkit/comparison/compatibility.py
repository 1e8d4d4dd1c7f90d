"""Whether two models can be compared at all, and by what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mltoolkit.comparison.labels import ClassMatch, match_classes
from mltoolkit.errors import ComparisonError
from mltoolkit.formats.features import Feature, ImageFeature
from mltoolkit.runtime.images import Crop


class ComparableModel(Protocol):
    """The members of ``mltoolkit.Model`` that a comparison uses."""

    @property
    def inputs(self) -> tuple[Feature, ...]:
        """Input features."""

    @property
    def outputs(self) -> tuple[Feature, ...]:
        """Output features."""

    @property
    def class_labels(self) -> tuple[str, ...] | tuple[int, ...] | None:
        """A classifier's labels by class index."""

    @property
    def predicted_feature_name(self) -> str | None:
        """The output that holds a classifier's label."""

    @property
    def predicted_probabilities_name(self) -> str | None:
        """The output that holds a classifier's probabilities."""

    def prepare_image(self, feature: ImageFeature, image: Any, crop: Crop = "whole") -> Any:
        """A picture in the input's size and colour space, which ``predict_raw`` takes as it is."""

    def predict_raw(self, data: Mapping[str, Any], *, threads: int | None = None) -> Mapping[str, NDArray[Any]]:
        """Outputs before post-processing: scores by class index, pictures as float32 (C, H, W)."""


def check_interfaces(reference: ComparableModel, other: ComparableModel) -> None:
    """Check that both models take inputs and give outputs of the same names and kinds.

    Raises:
        ComparisonError: they do not; it lists every difference.
    """
    differences = _differences("input", reference.inputs, other.inputs)
    differences += _differences("output", reference.outputs, other.outputs)
    if (reference.class_labels is None) != (other.class_labels is None):
        which = "first" if other.class_labels is None else "second"
        differences.append(f"only the {which} model is a classifier")
    elif reference.class_labels is not None:
        for role in ("predicted_feature_name", "predicted_probabilities_name"):
            names = getattr(reference, role), getattr(other, role)
            if names[0] != names[1]:
                differences.append(f"{role} is {names[0]!r} in the first model and {names[1]!r} in the second")
    if differences:
        raise ComparisonError(
            "the two models do not have the same interface: " + "; ".join(differences),
            fix="Compare a model with one that was made from it",
        )


def _differences(side: str, first: Sequence[Feature], second: Sequence[Feature]) -> list[str]:
    a, b = ({feature.name: type(feature) for feature in features} for features in (first, second))
    found = [f"only the first model has the {side} {name!r}" for name in a if name not in b]
    found += [f"only the second model has the {side} {name!r}" for name in b if name not in a]
    for name in a:
        if name in b and a[name] is not b[name]:
            kinds = (kind.__name__.removesuffix("Feature").lower() for kind in (a[name], b[name]))
            found.append(f"the {side} {name!r} is " + " in the first model and ".join(kinds) + " in the second")
    return found


def shared_image_inputs(reference: ComparableModel, other: ComparableModel) -> dict[str, tuple[Any, Any]]:
    """Every image input with its feature in both models."""
    second = {feature.name: feature for feature in other.inputs}
    return {
        feature.name: (feature, second[feature.name])
        for feature in reference.inputs
        if isinstance(feature, ImageFeature)
    }


def same_pixels(first: ImageFeature, second: ImageFeature) -> bool:
    """Whether a picture prepared for one input is right for the other."""

    def layout(feature: ImageFeature) -> tuple[object, ...]:
        return (
            feature.width,
            feature.height,
            feature.color_space,
            feature.sizes,
            feature.width_range,
            feature.height_range,
        )

    return layout(first) == layout(second)


def class_match(reference: ComparableModel, other: ComparableModel) -> ClassMatch | None:
    """How the classes of two classifiers correspond; None for other models."""
    if reference.class_labels is None or other.class_labels is None:
        return None
    return match_classes(reference.class_labels, other.class_labels)


def class_scores(
    model: ComparableModel, raw: Mapping[str, NDArray[Any]], which: str, sample: str
) -> NDArray[np.floating[Any]]:
    """The scores of a classifier by class index, one axis.

    Args:
        model: a classifier.
        raw: its outputs before post-processing.
        which: "first" or "second", for messages.
        sample: the input's name, for messages.

    Raises:
        ComparisonError: it gives no scores, or one is NaN so that no class can be said to come first.
    """
    described = {feature.name for feature in model.outputs}
    # A classifier that describes no output of probabilities gives them under a name of their own.
    undescribed = (name for name in raw if name not in described)
    name = model.predicted_probabilities_name or next(undescribed, "")
    if name not in raw:
        raise ComparisonError(
            f"the {which} model is a classifier that gives no probabilities",
            fix="Compare the network inside it, which model.stages gives for a pipeline",
        )
    scores = raw[name].reshape(-1)
    if np.isnan(scores).any():
        raise ComparisonError(
            f"the {which} model answers NaN for the input {sample!r}",
            where=f"output {name!r}",
            fix="Leave that input out, or look for overflowing weights in that model",
        )
    return scores
