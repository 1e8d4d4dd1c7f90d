"""The shapes of all layers' outputs, for ``inspect``."""

from __future__ import annotations

from typing import Any

from mltoolkit.errors import MLToolkitError
from mltoolkit.formats.features import sizes_for_open_shapes
from mltoolkit.formats.ml_program import program_of
from mltoolkit.formats.networks import network_of
from mltoolkit.graph.builder import Dimension
from mltoolkit.model import Model

Shapes = dict[tuple[str, ...], list[list[Any]]]


def layer_shapes(model: Model, path: tuple[str, ...] = (), *, all_functions: bool = True) -> tuple[Shapes, str]:
    """Output shapes, layer by layer, of each network of a model; and why some are missing.

    The second is empty where all are known. Looking at a model must work even where running it does not.

    Args:
        model: the model.
        path: the pipeline stages that lead to it.
        all_functions: also of the functions that the model does not run.

    Returns:
        Shapes by the names of the pipeline stages down to a model, and then of its function unless it is the one
        that the model runs.
    """
    if model.stages:
        return _together(
            {f"stage {name!r}": layer_shapes(stage, (*path, name)) for name, stage in model.stages.items()}
        )
    if all_functions and len(model.function_names) > 1:
        functions = {f"function {name!r}": _own_shapes(item, (*path, name)) for name, item in model.functions.items()}
        found, reason = _together(functions)
        chosen = found.get((*path, model.function_name or ""))
        return found | ({path: chosen} if chosen is not None else {}), reason
    return _own_shapes(model, path)


def _together(parts: dict[str, tuple[Shapes, str]]) -> tuple[Shapes, str]:
    found: Shapes = {}
    for inner, _ in parts.values():
        found.update(inner)
    return found, " ".join(f"{name}: {reason}" for name, (_, reason) in parts.items() if reason)


def _own_shapes(model: Model, path: tuple[str, ...]) -> tuple[Shapes, str]:
    if network_of(model.spec) is None and program_of(model.spec) is None:
        return {path: []}, ""  # classical models have no layers
    try:
        graph = model.graph(sizes_for_open_shapes(model.inputs))
    except MLToolkitError as error:
        return {}, str(error)
    return {path: [[_sizes(blob.shape) for blob in layer.outputs] for layer in graph.layers]}, ""


def _sizes(shape: tuple[Dimension, ...] | None) -> list[Any]:
    return ["any"] if shape is None else list(shape)
