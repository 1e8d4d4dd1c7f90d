"""The shapes of all layers' outputs, for ``inspect``."""

from __future__ import annotations

from typing import Any

from mltoolkit.errors import MLToolkitError
from mltoolkit.formats.features import ArrayFeature
from mltoolkit.formats.ml_program import program_of
from mltoolkit.formats.networks import network_of
from mltoolkit.graph.builder import Dimension
from mltoolkit.model import Model

# A size that the file leaves open is shown for an input of this many elements along it.
_OPEN_SIZE = 64


def layer_shapes(model: Model, path: tuple[str, ...] = ()) -> tuple[dict[tuple[str, ...], list[list[Any]]], str]:
    """Output shapes, layer by layer, of each network of a model by its pipeline stages; and why some are missing.

    The second is empty where all are known. Looking at a model must work even where running it does not.
    """
    if model.stages:
        found: dict[tuple[str, ...], list[list[Any]]] = {}
        reasons = []
        for name, stage in model.stages.items():
            inner, reason = layer_shapes(stage, (*path, name))
            found.update(inner)
            if reason:
                reasons.append(f"stage {name!r}: {reason}")
        return found, " ".join(reasons)
    if network_of(model.spec) is None and program_of(model.spec) is None:
        return {path: []}, ""  # classical models have no layers
    open_shapes = {
        feature.name: tuple(size or _OPEN_SIZE for size in feature.shape)
        for feature in model.inputs
        if isinstance(feature, ArrayFeature) and 0 in feature.shape
    }
    try:
        graph = model.graph(open_shapes)
    except MLToolkitError as error:
        return {}, str(error)
    return {path: [[_sizes(blob.shape) for blob in layer.outputs] for layer in graph.layers]}, ""


def _sizes(shape: tuple[Dimension, ...] | None) -> list[Any]:
    return ["any"] if shape is None else list(shape)
