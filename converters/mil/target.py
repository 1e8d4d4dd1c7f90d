"""What the written Core ML model shall be: its format, precision, interface and metadata."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from mltoolkit.errors import ArgumentError, did_you_mean
from mltoolkit.formats.deployment import DEPLOYMENT_TARGETS

Format = Literal["mlmodel", "mlpackage"]
Precision = Literal["float32", "float16"]
Color = Literal["RGB", "BGR", "GRAYSCALE", "GRAYSCALE_FLOAT16"]
FORMATS = ("mlmodel", "mlpackage")
PRECISIONS = ("float32", "float16")
COLORS = ("RGB", "BGR", "GRAYSCALE", "GRAYSCALE_FLOAT16")
# ML Programs exist since iOS 15; what a neural network needs here, iOS 13 has.
_OLDEST = {"mlmodel": 4, "mlpackage": 6}
# The largest size of a flexible dimension of an ML Program, which must have one, where none is given.
DEFAULT_UPPER_BOUND = 4096


@dataclass(frozen=True)
class SizeRange:
    """A flexible size of an array: any from ``lower`` to ``upper``.

    Attributes:
        lower: the smallest size.
        upper: the largest size, None for any (ML Programs then take up to 4096).
        default: the size that the model declares; ``lower`` when left out.
    """

    lower: int = 1
    upper: int | None = None
    default: int | None = None

    def __post_init__(self) -> None:
        sizes = (self.lower, self.upper, self.default)
        wanted = (self.lower, *(size for size in sizes[1:] if size is not None))
        if any(isinstance(size, bool) or not isinstance(size, int) for size in wanted):
            raise ArgumentError(f"sizes of a range are whole numbers, not {sizes}")
        upper = self.upper if self.upper is not None else max(self.lower, self.default or 0)
        if not 1 <= self.lower <= (self.default if self.default is not None else self.lower) <= upper:
            raise ArgumentError(
                f"the range {self.lower}..{self.upper} with default {self.default} is empty or starts below 1",
                fix="Give 1 <= lower <= default <= upper",
            )


@dataclass(frozen=True)
class ArrayInput:
    """An input that is an array.

    Attributes:
        shape: sizes, each a number, a :class:`SizeRange` or None for what the source says; the source's shape when
            left out.
        shapes: instead, the shapes that the model takes (enumerated shapes); the first is the default.
        description: what it is, for people.
        default: what all its elements are where a caller leaves the input out; None for an input that must be given.
    """

    shape: Sequence[int | SizeRange | None] | None = None
    shapes: Sequence[Sequence[int]] = ()
    description: str = ""
    default: float | None = None

    def __post_init__(self) -> None:
        if self.shape is not None and self.shapes:
            raise ArgumentError("an input has one shape or several, not both", fix="Give either shape or shapes")
        _check_text(self.description)
        if not _are_sizes(self.shape) or not _is_list(self.shapes) or not all(map(_is_list, self.shapes)):
            wrong = {"shape": self.shape, "shapes": self.shapes}
            raise ArgumentError(f"a shape is a list of sizes, not {wrong}", fix="Give a list such as (1, 3, 224, 224)")
        if self.default is not None and not isinstance(self.default, int | float | np.number):
            raise ArgumentError(f"the default of an input is a number, not {self.default!r}")
        for size in (*(self.shape or ()), *(size for shape in self.shapes for size in shape)):
            whole = isinstance(size, int) and not isinstance(size, bool) and size >= 1
            if size is not None and not whole and not isinstance(size, SizeRange):
                raise ArgumentError(f"{size!r} is no size", fix="Give a number from 1, a SizeRange or None")


@dataclass(frozen=True)
class ImageInput:
    """An input that is a picture; the network gets ``scale · pixel + bias``, pixels from 0 to 255.

    Attributes:
        scale: one factor, or one a channel in the order of ``color``.
        bias: what is added, one number or one a channel in the order of ``color``.
        color: the order of channels that the network takes; by default RGB for three channels, GRAYSCALE for one.
        layout: where the source's input has its channels: ``NCHW`` or ``NHWC``; told from the shape when left out.
        size: (height, width), each a number, a :class:`SizeRange` or None for what the source says.
        sizes: instead, the (height, width) pairs that the model takes; the first is the default.
        description: what it is, for people.
    """

    scale: float | Sequence[float] = 1.0
    bias: float | Sequence[float] = 0.0
    color: Color | None = None
    layout: Literal["NCHW", "NHWC"] | None = None
    size: tuple[int | SizeRange | None, int | SizeRange | None] | None = None
    sizes: Sequence[tuple[int, int]] = ()
    description: str = ""

    def __post_init__(self) -> None:
        if self.color is not None and self.color not in COLORS:
            raise ArgumentError(f"{self.color!r} is no color space", fix=did_you_mean(str(self.color), COLORS))
        if self.layout not in (None, "NCHW", "NHWC"):
            raise ArgumentError(f"{self.layout!r} is no layout", fix="Give NCHW or NHWC")
        for name in ("scale", "bias"):
            object.__setattr__(self, name, _factors(name, getattr(self, name)))
        _check_text(self.description)
        pairs = ([] if self.size is None else [self.size], self.sizes)
        if not _is_list(self.sizes) or not all(_is_list(pair) and len(pair) == 2 for some in pairs for pair in some):
            raise ArgumentError(
                f"the size of a picture is (height, width), not {self.size!r}, {self.sizes!r}",
                fix="Give size=(224, 224), say",
            )
        if self.size is not None and self.sizes:
            raise ArgumentError("an image has one size or several, not both", fix="Give either size or sizes")


def _is_list(given: object) -> bool:
    return isinstance(given, Sequence) and not isinstance(given, str | bytes)


def _are_sizes(given: object) -> bool:
    return given is None or _is_list(given)


def _check_text(description: object) -> None:
    if not isinstance(description, str):
        raise ArgumentError(f"description is a text, not {description!r}")


def _factors(name: str, given: object) -> float | tuple[float, ...]:
    try:
        numbers = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        numbers = np.array(np.nan)
    if numbers.ndim > 1 or not np.isfinite(numbers).all():
        raise ArgumentError(f"{name} is {given!r}", fix="Give a number, or one a channel")
    return float(numbers) if numbers.ndim == 0 else tuple(numbers.tolist())


@dataclass(frozen=True)
class ImageOutput:
    """An output that is a picture: values from 0 to 255 of shape (1, C, H, W).

    Attributes:
        color: the order of its channels; by default RGB for three channels, GRAYSCALE for one.
        description: what it is, for people.
    """

    color: Color | None = None
    description: str = ""

    def __post_init__(self) -> None:
        if self.color is not None and self.color not in COLORS:
            raise ArgumentError(f"{self.color!r} is no color space", fix=did_you_mean(str(self.color), COLORS))


@dataclass(frozen=True)
class Classifier:
    """That the model tells classes.

    Attributes:
        labels: the classes' names or numbers by index, or the path of a text file with one name a line.
        predicted_feature_name: the output that holds the likeliest label.
        probabilities: the source's output that holds the probabilities; its only output when left out.
        probabilities_name: what the dictionary label → probability is called; ``predicted_feature_name`` with
            ``_probs`` when left out.
    """

    labels: Sequence[str] | Sequence[int] | str | os.PathLike[str]
    predicted_feature_name: str = "classLabel"
    probabilities: str | None = None
    probabilities_name: str | None = None


@dataclass(frozen=True)
class Metadata:
    """What the model says about itself.

    Attributes:
        author: who made it.
        license: its licence.
        short_description: what it does.
        version: its version.
        user_defined: further texts by name.
        descriptions: texts for inputs and outputs, by their name.
    """

    author: str = ""
    license: str = ""
    short_description: str = ""
    version: str = ""
    user_defined: Mapping[str, str] = field(default_factory=dict)
    descriptions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CoreMLTarget:
    """What :func:`~mltoolkit.converters.mil.write.write_core_ml` writes.

    Attributes:
        format: ``mlmodel`` (NeuralNetwork) or ``mlpackage`` (ML Program).
        precision: of weights (mlmodel), of weights and computation (mlpackage).
        minimum_deployment_target: the oldest system that shall run it, such as ``iOS16`` or ``macOS13``; by default
            the oldest that knows the format: iOS13 or iOS15.
        inputs: how inputs are declared, by their name in the source; others as the source declares them.
        outputs: outputs that are pictures, by their name in the source.
        classifier: for a model that tells classes.
        metadata: what the model says about itself.
    """

    format: Format = "mlpackage"
    precision: Precision = "float32"
    minimum_deployment_target: str | None = None
    inputs: Mapping[str, ImageInput | ArrayInput] = field(default_factory=dict)
    outputs: Mapping[str, ImageOutput] = field(default_factory=dict)
    classifier: Classifier | None = None
    metadata: Metadata = field(default_factory=Metadata)

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise ArgumentError(f"{self.format!r} is no Core ML format", fix=did_you_mean(str(self.format), FORMATS))
        if self.precision not in PRECISIONS:
            raise ArgumentError(
                f"{self.precision!r} is no precision of a model", fix=did_you_mean(str(self.precision), PRECISIONS)
            )
        wanted = self.minimum_deployment_target
        if wanted is None:
            return
        if not isinstance(wanted, str) or wanted not in DEPLOYMENT_TARGETS:
            raise ArgumentError(
                f"{wanted!r} is no deployment target known here", fix=did_you_mean(str(wanted), DEPLOYMENT_TARGETS)
            )
        if DEPLOYMENT_TARGETS[wanted] < _OLDEST[self.format]:
            raise ArgumentError(
                f"{wanted} cannot run ML Programs (.mlpackage), which came with iOS15 and macOS12",
                fix="Use a newer minimum_deployment_target, or format='mlmodel'",
            )

    @property
    def specification_version(self) -> int:
        """The specification whose operations may be used; a neural network never needs one above iOS 14's."""
        wanted = self.minimum_deployment_target
        version = _OLDEST[self.format] if wanted is None else DEPLOYMENT_TARGETS[wanted]
        return min(version, 5) if self.format == "mlmodel" else version
