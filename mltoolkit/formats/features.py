"""A model's inputs and outputs, read from its description (FeatureTypes.proto)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mltoolkit.errors import InvalidModelError
from mltoolkit.formats.class_labels import class_labels
from mltoolkit.formats.ml_program import description_of

# ArrayFeatureType.ArrayDataType: the low byte holds the bits, the high half the kind (1 float, 2 integer).
_ARRAY_TYPES = {65568: "float32", 65600: "float64", 131104: "int32", 131080: "int8", 65552: "float16"}
# ImageFeatureType.ColorSpace
_COLOR_SPACES = {10: "GRAY", 20: "RGB", 30: "BGR", 40: "GRAY_FLOAT16"}


@dataclass(frozen=True)
class Range:
    """An inclusive range of sizes; ``upper`` is None where it is unbounded."""

    lower: int
    upper: int | None

    def __contains__(self, size: object) -> bool:
        return isinstance(size, int) and self.lower <= size and (self.upper is None or size <= self.upper)

    def __str__(self) -> str:
        return f"{self.lower}..{'' if self.upper is None else self.upper}"


@dataclass(frozen=True)
class Feature:
    """What all inputs and outputs have."""

    name: str
    description: str
    optional: bool


@dataclass(frozen=True)
class ImageFeature(Feature):
    """A picture.

    ``sizes`` are the enumerated (width, height); ``width_range`` and ``height_range`` allow others.
    """

    width: int
    height: int
    color_space: str
    sizes: tuple[tuple[int, int], ...] = ()
    width_range: Range | None = None
    height_range: Range | None = None

    @property
    def channels(self) -> int:
        """3 for RGB and BGR, 1 for gray."""
        return 3 if self.color_space in ("RGB", "BGR") else 1

    @property
    def flexible(self) -> bool:
        """Whether more than one size is allowed."""
        return bool(self.sizes) or self.width_range is not None

    def allows(self, width: int, height: int) -> bool:
        """Whether a picture of that size may be given."""
        if (width, height) == (self.width, self.height) or (width, height) in self.sizes:
            return True
        if self.width_range is None or self.height_range is None:
            return False
        return width in self.width_range and height in self.height_range


@dataclass(frozen=True)
class ArrayFeature(Feature):
    """A multi-dimensional array.

    ``shapes`` are the enumerated shapes; ``ranges`` allow others, one range an axis.
    An empty ``shape`` means that the file states none; a size of 0 in it means any size.
    """

    shape: tuple[int, ...]
    dtype: str
    shapes: tuple[tuple[int, ...], ...] = ()
    ranges: tuple[Range, ...] = ()
    default: float | None = None

    @property
    def flexible(self) -> bool:
        """Whether more than one shape is allowed."""
        return bool(self.shapes) or bool(self.ranges) or 0 in self.shape

    def allows(self, shape: tuple[int, ...]) -> bool:
        """Whether an array of that shape may be given."""
        if shape in self.shapes:
            return True
        if len(shape) == len(self.shape) and all(
            stated in (0, size) for stated, size in zip(self.shape, shape, strict=True)
        ):
            return True
        if len(shape) != len(self.ranges):
            return False
        return all(size in allowed for size, allowed in zip(shape, self.ranges, strict=True))


@dataclass(frozen=True)
class ScalarFeature(Feature):
    """A number: ``dtype`` is ``int64`` or ``float64``."""

    dtype: str


@dataclass(frozen=True)
class StringFeature(Feature):
    """A text."""


@dataclass(frozen=True)
class DictionaryFeature(Feature):
    """Numbers by key; ``key_type`` is ``string`` or ``int64``."""

    key_type: str


@dataclass(frozen=True)
class SequenceFeature(Feature):
    """A list; ``item_type`` is ``string`` or ``int64``."""

    item_type: str


def sizes_for_open_shapes(features: Iterable[Feature], size: int = 64) -> dict[str, tuple[int, ...]]:
    """Shapes by name for arrays that leave sizes open: such a model is looked at with ``size`` in their place."""
    return {
        feature.name: tuple(stated or size for stated in feature.shape)
        for feature in features
        if isinstance(feature, ArrayFeature) and 0 in feature.shape
    }


def read_feature(description: Any) -> Feature:
    """The feature that a ``FeatureDescription`` message describes.

    Raises:
        InvalidModelError: the type is missing, or is an image or array of unknown kind.
    """
    kind = description.type.WhichOneof("Type")
    common = {
        "name": description.name,
        "description": description.shortDescription,
        "optional": bool(description.type.isOptional),
    }
    if kind == "imageType":
        return _read_image(description.type.imageType, common)
    if kind == "multiArrayType":
        return _read_array(description.type.multiArrayType, common)
    if kind == "int64Type":
        return ScalarFeature(**common, dtype="int64")
    if kind == "doubleType":
        return ScalarFeature(**common, dtype="float64")
    if kind == "stringType":
        return StringFeature(**common)
    if kind == "dictionaryType":
        key = description.type.dictionaryType.WhichOneof("KeyType")
        return DictionaryFeature(**common, key_type="int64" if key == "int64KeyType" else "string")
    if kind == "sequenceType":
        item = description.type.sequenceType.WhichOneof("Type")
        return SequenceFeature(**common, item_type="int64" if item == "int64Type" else "string")
    raise InvalidModelError(
        f"the model's description gives the feature {description.name!r} "
        + (f"the type {kind}, which is not known here" if kind else "no type"),
    )


def _read_range(message: Any) -> Range:
    # SizeRange.upperBound: "negative value means unbound otherwise upper bound is included in range"
    return Range(int(message.lowerBound), int(message.upperBound) if message.upperBound >= 0 else None)


def _read_image(image: Any, common: dict[str, Any]) -> ImageFeature:
    if image.colorSpace not in _COLOR_SPACES:
        raise InvalidModelError(f"the image {common['name']!r} has the unknown colour space {image.colorSpace}")
    flexibility = image.WhichOneof("SizeFlexibility")
    sizes: tuple[tuple[int, int], ...] = ()
    width_range = height_range = None
    if flexibility == "enumeratedSizes":
        sizes = tuple((int(size.width), int(size.height)) for size in image.enumeratedSizes.sizes)
    elif flexibility == "imageSizeRange":
        width_range = _read_range(image.imageSizeRange.widthRange)
        height_range = _read_range(image.imageSizeRange.heightRange)
    return ImageFeature(
        **common,
        width=int(image.width),
        height=int(image.height),
        color_space=_COLOR_SPACES[image.colorSpace],
        sizes=sizes,
        width_range=width_range,
        height_range=height_range,
    )


def _read_array(array: Any, common: dict[str, Any]) -> ArrayFeature:
    if array.dataType not in _ARRAY_TYPES:
        raise InvalidModelError(f"the array {common['name']!r} has the unknown data type {array.dataType}")
    flexibility = array.WhichOneof("ShapeFlexibility")
    shapes: tuple[tuple[int, ...], ...] = ()
    ranges: tuple[Range, ...] = ()
    if flexibility == "enumeratedShapes":
        shapes = tuple(tuple(int(size) for size in shape.shape) for shape in array.enumeratedShapes.shapes)
    elif flexibility == "shapeRange":
        ranges = tuple(_read_range(size) for size in array.shapeRange.sizeRanges)
    default = array.WhichOneof("defaultOptionalValue")
    return ArrayFeature(
        **common,
        shape=tuple(int(size) for size in array.shape),
        dtype=_ARRAY_TYPES[array.dataType],
        shapes=shapes,
        ranges=ranges,
        default=float(getattr(array, default)) if default else None,
    )


@dataclass(frozen=True)
class Interface:
    """Everything a caller sees of a model: its features, and for a classifier its labels.

    ``predicted_feature_name`` is the output that holds the label (or a regressor's value), and
    ``predicted_probabilities_name`` the dictionary label → probability. ``states`` are the arrays that a model
    keeps from one prediction to the next.
    """

    inputs: tuple[Feature, ...]
    outputs: tuple[Feature, ...]
    predicted_feature_name: str = ""
    predicted_probabilities_name: str = ""
    class_labels: tuple[str, ...] | tuple[int, ...] | None = None
    states: tuple[ArrayFeature, ...] = ()


def read_interface(spec: Any, function: str = "") -> Interface:
    """The interface of a ``Model`` message.

    Args:
        spec: the message.
        function: for an ML Program of several functions, which one; by default the program's own default.

    Raises:
        InvalidModelError: two inputs (or two outputs) share a name, or a feature cannot be read.
        ArgumentError: there is no such function.
    """
    description = description_of(spec, function)
    inputs = tuple(read_feature(feature) for feature in description.input)
    outputs = tuple(read_feature(feature) for feature in description.output)
    for features, side in ((inputs, "inputs"), (outputs, "outputs")):
        names = [feature.name for feature in features]
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InvalidModelError(f"two of the model's {side} have the name {twice!r}")
    return Interface(
        inputs=inputs,
        outputs=outputs,
        predicted_feature_name=description.predictedFeatureName,
        predicted_probabilities_name=description.predictedProbabilitiesName,
        class_labels=class_labels(spec, function),
        states=tuple(_read_state(feature) for feature in description.state),
    )


def _read_state(description: Any) -> ArrayFeature:
    if description.type.WhichOneof("Type") != "stateType":
        raise InvalidModelError(f"the model's state {description.name!r} is not described as a state")
    common = {"name": description.name, "description": description.shortDescription, "optional": False}
    return _read_array(description.type.stateType.arrayType, common)
