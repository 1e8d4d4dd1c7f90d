"""A Core ML model whose inputs have several sizes, as one graph of the hub with symbolic sizes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from mltoolkit.converters.flexible_graph import NotFlexible, generalize
from mltoolkit.errors import InvalidModelError, MLToolkitError, UnsupportedModelError
from mltoolkit.formats.features import ArrayFeature, ImageFeature, Interface, Range
from mltoolkit.graph.model_graph import ModelGraph

Sizes = dict[str, tuple[int, ...]]
# Tried where a size is open and nothing says which one is sensible.
_OPEN_SIZES = (64, 128, 32, 256, 16, 8, 4, 2, 1)
# What is added to the sizes: multiples of usual strides, and odd numbers, which show padding that depends on the size.
_STEPS = (32, 1, 7, 64)


@dataclass(frozen=True)
class FlexibleGraph:
    """A graph for all or for some of the sizes that a model takes.

    Attributes:
        graph: for fixed sizes.
        model: the ONNX model with symbolic sizes; that of ``graph`` where only fixed sizes are possible.
        sizes: the sizes that ``graph`` is for, of inputs that have several.
        symbolic: whether ``model`` takes all sizes.
        note: why it does not, "" where it does or the model has no others.
    """

    graph: ModelGraph
    model: ir.Model
    sizes: Sizes
    symbolic: bool = False
    note: str = ""


def flexible_features(interface: Interface) -> list[ArrayFeature | ImageFeature]:
    """The inputs of several sizes."""
    return [
        feature
        for feature in interface.inputs
        if isinstance(feature, (ArrayFeature, ImageFeature)) and feature.flexible
    ]


def flexible_graph(make: Callable[[Mapping[str, tuple[int, ...]]], ModelGraph], interface: Interface) -> FlexibleGraph:
    """Make the graph for the sizes of a model's description, and for as many others as can be.

    Args:
        make: makes the graph for given sizes: shapes of arrays, (height, width) of images.
        interface: the model's inputs.

    Raises:
        UnsupportedModelError: no size works where the model leaves one open.
    """
    features = flexible_features(interface)
    first, sizes = _first(make, features)
    if not features:
        return FlexibleGraph(first, first.model, sizes)
    if first.custom_descriptions:
        return FlexibleGraph(first, first.model, sizes, note=_note(sizes, "its custom layers have fixed shapes"))
    others = []
    for candidate in _others(features, sizes):
        try:
            others.append(make(candidate))
        except MLToolkitError:
            # The source takes no input of these sizes either.
            continue
    if not others:
        return FlexibleGraph(first, first.model, sizes, note=_note(sizes, "no other input size works"))
    try:
        model = generalize([first.model, *(graph.model for graph in others)])
    except NotFlexible as reason:
        return FlexibleGraph(first, first.model, sizes, note=_note(sizes, str(reason)))
    return FlexibleGraph(first, model, sizes, symbolic=True)


def _note(sizes: Sizes, reason: str) -> str:
    shown = ", ".join(f"{name!r} {size}" for name, size in sizes.items())
    return f"the source takes inputs of several sizes, the converted model one ({shown}): {reason}"


def _first(
    make: Callable[[Mapping[str, tuple[int, ...]]], ModelGraph], features: Sequence[ArrayFeature | ImageFeature]
) -> tuple[ModelGraph, Sizes]:
    open_sizes = any(isinstance(feature, ArrayFeature) and 0 in feature.shape for feature in features)
    error: MLToolkitError | None = None
    for size in _OPEN_SIZES if open_sizes else (0,):
        sizes = {feature.name: tuple(part or size for part in _described(feature)) for feature in features}
        try:
            return make(sizes if open_sizes else {}), sizes
        except (InvalidModelError, UnsupportedModelError) as failure:
            error = error or failure
            if not open_sizes:
                raise
    raise UnsupportedModelError(
        f"none of the input sizes that were tried works: {error.what if error else ''}",
        where=error.where if error else None,
        fix="Give input_shapes",
    ) from error


def _described(feature: ArrayFeature | ImageFeature) -> tuple[int, ...]:
    return feature.shape if isinstance(feature, ArrayFeature) else (feature.height, feature.width)


def _others(features: Sequence[ArrayFeature | ImageFeature], sizes: Sizes) -> Iterator[Sizes]:
    """Other sizes that the description allows, at most eight."""
    seen = [sizes]
    plans = itertools.product(_STEPS, (0, 1))
    listed = [_listed(feature) for feature in features]
    if all(listed):
        # The enumerated sizes, those of several inputs in step.
        for place in range(min(8, max(len(shapes) for shapes in listed))):
            candidate = {
                feature.name: shapes[place % len(shapes)] for feature, shapes in zip(features, listed, strict=True)
            }
            if candidate not in seen:
                seen.append(candidate)
                yield candidate
        return
    for step, distinct in plans:
        number = itertools.count(1)
        candidate = {}
        for feature in features:
            candidate[feature.name] = tuple(
                _moved(size, limits, step * (next(number) if distinct else 1)) if limits is not None else size
                for size, limits in zip(sizes[feature.name], _limits(feature), strict=True)
            )
        if candidate not in seen:
            seen.append(candidate)
            yield candidate


def _listed(feature: ArrayFeature | ImageFeature) -> list[tuple[int, ...]]:
    if isinstance(feature, ArrayFeature):
        return list(feature.shapes)
    return [(height, width) for width, height in feature.sizes]


def _limits(feature: ArrayFeature | ImageFeature) -> list[Range | None]:
    """What each size may be; None where it is fixed."""
    if isinstance(feature, ImageFeature):
        ranges = [feature.height_range, feature.width_range]
        return [None if item is None or item.lower == item.upper else item for item in ranges]
    if feature.ranges:
        return [None if item.lower == item.upper else item for item in feature.ranges]
    return [None if size else Range(1, None) for size in feature.shape]


def _moved(size: int, limits: Range, step: int) -> int:
    """The size with something added, or taken away, as the limits allow; itself where they allow neither."""
    for moved in (size + step, size - step):
        if moved in limits and moved > 0:
            return moved
    return size
