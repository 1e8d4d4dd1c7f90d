"""A Keras 3 model as a graph of the hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx_ir as ir
from onnx_ir.passes.common import DeduplicateInitializersPass, RemoveUnusedNodesPass

from mltoolkit.converters.hooks import HookSet
from mltoolkit.converters.keras.interface import (
    InputShapes,
    declared_inputs,
    has_channels_first_layers,
    named_outputs,
    output_names,
)
from mltoolkit.converters.keras.keras_module import load_keras
from mltoolkit.converters.keras.model_files import read_model
from mltoolkit.converters.keras.model_graph import graph_of_model
from mltoolkit.converters.keras.walk import ModelWalk
from mltoolkit.converters.source_model import SourceModel
from mltoolkit.graph.builder import GraphBuilder


def import_keras(
    model: Any,
    *,
    hooks: HookSet | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    input_shapes: InputShapes | None = None,
    batch_size: int | None = 1,
) -> SourceModel:
    """Convert a Keras model.

    Inputs and outputs keep Keras' names and shapes (channels-last where the model is), except that integers are
    int32 and all floating types float32. A channels-last input of rank 4 goes through one Transpose right at the
    entry. What has random behaviour in training only does nothing.

    Args:
        model: a model of Keras 3 with any backend, or the path of a ``.keras`` archive or HDF5 file (.h5, .hdf5).
        hooks: custom conversion functions. A hook sees tensors of rank 4 as (N, C, H, W), others as Keras has them.
        custom_objects: classes and functions that the file refers to, by name.
        input_shapes: the shape of the input, or of each input by its name, batch included: for sizes that the model
            leaves open. Open sizes that are not given become symbolic.
        batch_size: the batch where the model leaves it open; None makes it symbolic.

    Raises:
        MissingExtraError: Keras is not installed.
        ModelFileError: the file is not a Keras model, or is damaged.
        UnsupportedModelError: the file contains code; the model has no graph of layers.
        UnsupportedLayersError: layers that cannot be converted, all of them.
        ConversionHookError: a hook raised or returned something wrong.
        ArgumentError: input_shapes does not fit the model.
    """
    keras = load_keras()
    if isinstance(model, (str, Path)):
        model = read_model(keras, Path(model), custom_objects)
    function = graph_of_model(keras, model, input_shapes)
    builder = GraphBuilder(model.name, fold_constants=True)
    channels_last = not has_channels_first_layers(function)
    walk = ModelWalk(keras, builder, hooks or HookSet(), channels_last=channels_last)
    names = output_names(function)
    inputs = declared_inputs(walk, function, input_shapes, batch_size)
    builder.reserve(names)
    tensors = walk.run(function, inputs)
    walk.unsupported.raise_if_any(f"Keras model {model.name!r}")
    hub = builder.finish(named_outputs(walk, names, tensors))
    RemoveUnusedNodesPass()(hub)
    if walk.records.has_shared_layers:
        DeduplicateInitializersPass()(hub)
    return SourceModel(hub, "Keras", walk.records.layers(_value_names(hub)), walk.custom_layers)


def _value_names(model: ir.Model) -> set[str]:
    values: list[Sequence[ir.Value]] = [model.graph.inputs, *(node.outputs for node in model.graph)]
    return {value.name for group in values for value in group if value.name}
