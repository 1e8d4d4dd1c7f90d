"""Raw arrays turned into what the description promises: labels, dictionaries, images, numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.formats.features import ArrayFeature, ImageFeature, Interface, ScalarFeature
from mltoolkit.runtime.images import to_image


def top_class(probabilities: NDArray[np.floating]) -> int:
    """Index of the largest probability; the lowest index among equal ones, and of the first NaN if there is one."""
    return int(np.argmax(probabilities))


def label_probabilities(labels: tuple[Any, ...], probabilities: NDArray[np.floating]) -> dict[Any, float]:
    """Probability by label. Labels need not be unique: a repeated one gets the largest of its probabilities."""
    by_label: dict[Any, float] = {}
    for label, probability in zip(labels, probabilities.tolist(), strict=True):
        known = by_label.get(label)
        by_label[label] = probability if known is None else max(known, probability)
    return by_label


def present_outputs(interface: Interface, raw: Mapping[str, NDArray[Any]], probabilities_name: str) -> dict[str, Any]:
    """The outputs as coremltools gives them on a Mac.

    Args:
        interface: the model's description.
        raw: the graph's outputs by name.
        probabilities_name: which of them holds a classifier's probabilities ("" for none).

    Returns:
        By name: the label (str or int), the dictionary label → probability, PIL images, arrays of the described type
        and numbers.
    """
    results: dict[str, Any] = {}
    if interface.class_labels is not None and probabilities_name in raw:
        probabilities = raw[probabilities_name]
        if interface.predicted_feature_name:
            results[interface.predicted_feature_name] = interface.class_labels[top_class(probabilities)]
        if interface.predicted_probabilities_name:
            results[interface.predicted_probabilities_name] = label_probabilities(interface.class_labels, probabilities)
    for feature in interface.outputs:
        if feature.name in results or feature.name not in raw:
            continue
        array = raw[feature.name]
        if isinstance(feature, ImageFeature):
            results[feature.name] = to_image(feature, array)
        elif isinstance(feature, ArrayFeature):
            results[feature.name] = array.astype(feature.dtype, copy=False)
        elif isinstance(feature, ScalarFeature) and array.size == 1:
            number = array.reshape(()).item()
            results[feature.name] = round(number) if feature.dtype == "int64" else float(number)
        else:
            results[feature.name] = array
    return results
