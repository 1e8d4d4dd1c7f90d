"""Inputs for verification: seeded or given, in the forms that the Core ML model and its source take."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.converters.mil.target import ImageInput
from mltoolkit.errors import ArgumentError, InputError, did_you_mean
from mltoolkit.formats.features import ArrayFeature, ImageFeature, Range, ScalarFeature
from mltoolkit.graph.builder import Dimension
from mltoolkit.model import Model

Arrays = dict[str, NDArray[Any]]
# Whole numbers for inputs whose limit is not known: valid as flags, counts and indices alike.
_SMALL_INTEGERS = 2


@dataclass(frozen=True)
class SourceInput:
    """An input of the source.

    Attributes:
        name: its name in the source.
        feature: the Core ML model's input that stands for it.
        dtype: its NumPy type.
        shape: its sizes; names or None where they are known only at run time.
        limit: for indices, the number of things that they choose from; None where that is not known.
    """

    name: str
    feature: ArrayFeature | ImageFeature | ScalarFeature
    dtype: np.dtype[Any]
    shape: tuple[Dimension, ...] | None
    limit: int | None = None


@dataclass(frozen=True)
class Case:
    """One set of inputs.

    Attributes:
        title: where they come from, for the report.
        data: by the Core ML model's names, as ``Model.predict`` takes them.
        feeds: by the source's names, as the source takes them.
        must_run: whether a source that fails on them is worth a remark.
    """

    title: str
    data: dict[str, Any]
    feeds: Arrays
    must_run: bool = True


def seeded_cases(
    inputs: Sequence[SourceInput], model: Model, images: Mapping[str, ImageInput], seed: int
) -> list[Case]:
    """Cases with random values: one of the declared sizes, and another where the model takes several.

    Floating values are normally distributed, pixels uniform from 0 to 255, indices uniform below their limit.
    """
    cases: list[Case] = []
    for title, size_of in (("seeded", _declared_size), ("seeded, other sizes", _other_size)):
        rng = np.random.default_rng(seed)
        data = {item.feature.name: _random_value(item, size_of, rng) for item in inputs}
        case = Case(title, data, source_feeds(inputs, model, images, data), must_run=not cases)
        if not cases or any(case.feeds[name].shape != cases[0].feeds[name].shape for name in case.feeds):
            cases.append(case)
    return cases


def flat_case(case: Case, value: int) -> Case:
    """The same case with every whole number replaced by one value, for models that refuse random ones."""

    def flat(arrays: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: np.full_like(array, value) if np.asarray(array).dtype.kind in "iu" and np.ndim(array) < 2 else array
            for name, array in arrays.items()
        }

    return replace(case, title=f"{case.title}, whole numbers {value}", data=flat(case.data), feeds=flat(case.feeds))


def given_cases(
    inputs: Sequence[SourceInput],
    model: Model,
    images: Mapping[str, ImageInput],
    given: Mapping[str, Any] | Iterable[Any],
) -> list[Case]:
    """Cases with the caller's values.

    Args:
        inputs: the source's inputs.
        model: the Core ML model, whose inputs say what form the values have.
        images: how inputs that are pictures become the source's inputs.
        given: input name → value, as for ``Model.predict``; or a list of such dictionaries; or a value for each input
            in order.

    Raises:
        ArgumentError: a name is wrong or missing.
        InputError: a value does not fit its input.
    """
    names = {item.feature.name: item.feature.name for item in inputs}
    either = {**{item.name: item.feature.name for item in inputs}, **names}
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise ArgumentError(
            f"verification_inputs is {given!r}", fix="Give a dictionary of inputs by name, or a list of such"
        )
    sets = [given] if isinstance(given, Mapping) else list(given)
    if sets and not all(isinstance(item, Mapping) for item in sets):
        if len(sets) != len(names):
            raise ArgumentError(
                f"verification_inputs has {len(sets)} values, the model {len(names)} inputs",
                fix=f"Give a dictionary with {', '.join(map(repr, names))}",
            )
        sets = [dict(zip(names, sets, strict=True))]
    cases = []
    for item in sets:
        for name in item:
            if name not in either:
                raise ArgumentError(
                    f"verification_inputs has {name!r}, which is no input", fix=did_you_mean(str(name), names)
                )
        data = {either[name]: _plain(value) for name, value in item.items()}
        missing = [name for name in names if name not in data]
        if missing:
            raise ArgumentError(f"verification_inputs has no value for {', '.join(map(repr, missing))}")
        cases.append(Case("given", data, source_feeds(inputs, model, images, data)))
    if not cases:
        raise ArgumentError("verification_inputs is empty", fix="Leave it out for seeded inputs, or use verify=False")
    return cases


def _plain(value: Any) -> Any:
    """Tensors of other libraries as arrays; pictures and arrays as they are."""
    return value.detach().cpu().numpy() if callable(getattr(value, "detach", None)) else value


def source_feeds(
    inputs: Sequence[SourceInput], model: Model, images: Mapping[str, ImageInput], data: Mapping[str, Any]
) -> Arrays:
    """What the source is fed where the Core ML model is fed ``data``."""
    feeds: Arrays = {}
    for item in inputs:
        value = data[item.feature.name]
        if isinstance(item.feature, ImageFeature):
            feeds[item.name] = _network_picture(item, item.feature, model, images.get(item.name), value)
            continue
        array = np.asarray(value)
        if array.dtype.kind not in "fiub":
            raise InputError(f"the value holds {array.dtype}, not numbers", where=f"input {item.name!r}")
        feeds[item.name] = array.astype(item.dtype)
    return feeds


def _network_picture(
    item: SourceInput, feature: ImageFeature, model: Model, image: ImageInput | None, value: Any
) -> NDArray[Any]:
    """A picture as the source takes it: ``scale · pixel + bias`` in its own layout."""
    pixels = model.prepare_image(feature, value).array.astype(np.float64)
    if image is not None:
        pixels = pixels * _per_channel(image.scale) + _per_channel(image.bias)
        rank = len(item.shape) if item.shape is not None else 4
        if _is_channels_last(item, feature, image):
            pixels = np.moveaxis(pixels, 1, -1)
        if rank < pixels.ndim:
            pixels = pixels.reshape(pixels.shape[pixels.ndim - rank :])
    return pixels.astype(item.dtype)


def _per_channel(values: float | Sequence[float]) -> NDArray[np.float64]:
    return np.asarray(values, np.float64).reshape(-1, 1, 1)


def _is_channels_last(item: SourceInput, feature: ImageFeature, image: ImageInput) -> bool:
    if image.layout is not None or item.shape is None:
        return image.layout == "NHWC"
    return len(item.shape) >= 3 and item.shape[-1] == feature.channels and item.shape[-3] != feature.channels


def _random_value(
    item: SourceInput,
    size_of: Callable[[ArrayFeature | ImageFeature], tuple[int, ...]],
    rng: np.random.Generator,
) -> NDArray[Any]:
    feature = item.feature
    if isinstance(feature, ImageFeature):
        height, width = size_of(feature)
        shape: tuple[int, ...] = (height, width, 3) if feature.channels == 3 else (height, width)
        if feature.color_space == "GRAY_FLOAT16":
            return rng.uniform(0, 255, shape).astype(np.float32)
        return rng.integers(0, 256, shape, dtype=np.uint8)
    if isinstance(feature, ArrayFeature) and (feature.shape or feature.flexible):
        shape = size_of(feature)
    else:
        shape = tuple(size if isinstance(size, int) else 1 for size in item.shape or ())
    if item.dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(np.int32)
    if item.limit is not None:
        return rng.integers(0, max(1, item.limit), shape).astype(np.int32 if item.dtype.kind in "iu" else np.float32)
    if item.dtype.kind in "iu":
        return rng.integers(0, _SMALL_INTEGERS, shape).astype(np.int32)
    return rng.standard_normal(shape).astype(np.float32)


def _declared_size(feature: ArrayFeature | ImageFeature) -> tuple[int, ...]:
    if isinstance(feature, ImageFeature):
        return feature.height, feature.width
    return tuple(size or 1 for size in feature.shape)


def _other_size(feature: ArrayFeature | ImageFeature) -> tuple[int, ...]:
    """A size besides the declared one; that itself where there is no other."""
    declared = _declared_size(feature)
    others: list[tuple[int, ...]]
    ranges: tuple[Range | None, ...]
    if isinstance(feature, ImageFeature):
        others = [(height, width) for width, height in feature.sizes if (height, width) != declared]
        ranges = (feature.height_range, feature.width_range) if feature.width_range is not None else ()
    else:
        others = [shape for shape in feature.shapes if shape != declared]
        ranges = feature.ranges
    if others:
        return others[-1]
    if not ranges:
        return declared
    return tuple(
        next((other for other in (size + 1, size - 1) if allowed is not None and other in allowed), size)
        for size, allowed in zip(declared, ranges, strict=True)
    )
