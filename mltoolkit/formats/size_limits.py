"""Declared sizes that no model has are refused before anything of that size is allocated."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mltoolkit.errors import InvalidModelError
from mltoolkit.formats.features import ArrayFeature, Feature, ImageFeature, Range

# All inputs together, and all outputs: 1 GB as float32, such as a picture of 9,400 × 9,400 pixels in RGB.
MAX_ELEMENTS = 1 << 28
# NumPy's limit in its first version; Core ML's own is 5.
_MAX_RANK = 32


def check_features(features: Sequence[Feature], side: str) -> None:
    """Check the declared sizes of a model's inputs or outputs, the largest of those that are enumerated.

    Raises:
        InvalidModelError: a size is negative, a range is empty, or all together are larger than any model's.
    """
    total = 0
    for feature in features:
        where = f"{side} {feature.name!r}"
        if isinstance(feature, ImageFeature):
            elements = _image_elements(feature, where)
        elif isinstance(feature, ArrayFeature):
            elements = _array_elements(feature, where)
        else:
            continue
        total += elements
        if total > MAX_ELEMENTS:
            raise InvalidModelError(
                f"the description declares {total:,} elements of {side}; the limit here is {MAX_ELEMENTS:,}",
                where=where,
            )


def _image_elements(feature: ImageFeature, where: str) -> int:
    sizes = [*feature.sizes]
    if feature.width or feature.height or not (sizes or feature.width_range):
        sizes.append((feature.width, feature.height))
    for width, height in sizes:
        if width <= 0 or height <= 0:
            raise InvalidModelError(f"the picture's size is given as {width}×{height}", where=where)
    for allowed in (feature.width_range, feature.height_range):
        _check_range(allowed, where)
    return feature.channels * max((width * height for width, height in sizes), default=0)


def _array_elements(feature: ArrayFeature, where: str) -> int:
    shapes = [feature.shape, *feature.shapes]
    if max(map(len, shapes)) > _MAX_RANK or len(feature.ranges) > _MAX_RANK:
        raise InvalidModelError(f"the array has more than {_MAX_RANK} dimensions", where=where)
    for shape in shapes:
        if any(size < 0 for size in shape):
            raise InvalidModelError(f"the array's shape is given as {shape}", where=where)
    for allowed in feature.ranges:
        _check_range(allowed, where)
    # A size of 0 is open.
    return max(math.prod(size or 1 for size in shape) for shape in shapes)


def _check_range(allowed: Range | None, where: str) -> None:
    if allowed is not None and allowed.upper is not None and allowed.lower > allowed.upper:
        raise InvalidModelError(f"the range of sizes {allowed} is empty", where=where)
