"""An input or output in words."""

from __future__ import annotations

from mltoolkit.formats.features import (
    ArrayFeature,
    DictionaryFeature,
    Feature,
    ImageFeature,
    ScalarFeature,
    SequenceFeature,
)


def describe(feature: Feature) -> str:
    """A feature's type in words: ``image 227×227 BGR``, ``float32 3×8×8``."""
    text = _kind(feature)
    return f"{text}, optional" if feature.optional else text


def _kind(feature: Feature) -> str:
    if isinstance(feature, ImageFeature):
        text = f"image {feature.width}×{feature.height} {feature.color_space}"
        if feature.sizes:
            return text + ", or " + ", ".join(f"{width}×{height}" for width, height in feature.sizes)
        if feature.width_range is not None:
            return text + f", width {feature.width_range}, height {feature.height_range}"
        return text
    if isinstance(feature, ArrayFeature):
        text = f"{feature.dtype} " + ("×".join(str(size or "any") for size in feature.shape) or "of any shape")
        if feature.ranges:
            return text + ", range " + "×".join(f"({size})" for size in feature.ranges)
        if feature.shapes:
            return text + ", or " + ", ".join("×".join(map(str, shape)) for shape in feature.shapes)
        return text
    if isinstance(feature, ScalarFeature):
        return feature.dtype
    if isinstance(feature, DictionaryFeature):
        return f"dictionary {feature.key_type} → number"
    if isinstance(feature, SequenceFeature):
        return f"sequence of {feature.item_type}"
    return "string"
