"""Keras models: read, and run by Keras itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.conversion.imported import Arrays, Imported
from mltoolkit.conversion.options import Options
from mltoolkit.conversion.sources import Source
from mltoolkit.converters.keras.importing import import_keras
from mltoolkit.converters.keras.interface import InputShapes
from mltoolkit.converters.keras.keras_module import load_keras
from mltoolkit.converters.keras.model_files import read_model
from mltoolkit.converters.keras.model_graph import graph_of_model
from mltoolkit.converters.mil.target import ArrayInput
from mltoolkit.converters.source_model import SourceModel
from mltoolkit.errors import PredictionError
from mltoolkit.graph.model_graph import GraphLayer


def open_keras(source: Source, options: Options) -> Imported:
    """Import a Keras model; see :func:`~mltoolkit.converters.keras.importing.import_keras` for what it raises."""
    model = source.value
    keras = load_keras()
    if isinstance(model, Path):
        model = read_model(keras, model, options.custom_objects)
    function = graph_of_model(keras, model, options.input_shapes)
    hub = import_keras(
        model,
        hooks=options.hooks,
        custom_objects=options.custom_objects,
        input_shapes=_fixed_shapes(function, options),
        batch_size=None if options.asks_for_batches else 1,
    )
    return Imported(
        kind="Keras",
        title=source.title,
        way=f"Keras ({keras.backend.backend()} backend) → hub → Core ML",
        layers=len(hub.layers),
        hub=hub,
        reference=KerasReference(keras, function, hub),
    )


def _fixed_shapes(function: Any, options: Options) -> InputShapes | None:
    """``input_shapes``; where it is not given, the shapes without open sizes that ``inputs`` asks for.

    A custom layer must know its outputs' sizes, which only the import can tell it.
    """
    if options.input_shapes is not None:
        return options.input_shapes
    shapes: dict[str, Sequence[int | None]] = {}
    for symbol in function.inputs:
        asked = options.target.inputs.get(symbol.name, options.target.inputs.get(""))
        if not isinstance(asked, ArrayInput) or asked.shape is None or len(asked.shape) != len(symbol.shape):
            continue
        sizes = [size for size in asked.shape if isinstance(size, int)]
        if len(sizes) == len(symbol.shape) and all(
            own in (None, size) for own, size in zip(symbol.shape, sizes, strict=True)
        ):
            shapes[symbol.name] = sizes
    return shapes or None


class KerasReference:
    """Runs a Keras model.

    Args:
        keras: the module.
        function: the model's graph of calls.
        hub: what was imported from it; inputs and outputs stand in the same order.
    """

    def __init__(self, keras: Any, function: Any, hub: SourceModel) -> None:
        self._keras = keras
        self._function = function
        self._inputs = [value.name or "" for value in hub.model.graph.inputs]
        self._outputs = [value.name or "" for value in hub.model.graph.outputs]

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> Arrays:
        """The outputs by name."""
        return dict(zip(self._outputs, self._call(self._function, feeds), strict=True))

    def layer_outputs(self, feeds: Mapping[str, NDArray[Any]], layers: Sequence[GraphLayer]) -> Arrays:
        """Outputs of the outermost layers; those inside nested models are not shown."""
        symbols = {}
        for operation in self._function.operations:
            for call, node in enumerate(operation._inbound_nodes, 1):
                name = operation.name if call == 1 else f"{operation.name}_call{call}"
                outputs = node.output_tensors
                for index, symbol in enumerate(outputs):
                    symbols[name if len(outputs) == 1 else f"{name}:{index}"] = symbol
        wanted = [blob.name for layer in layers for blob in layer.outputs if blob.name in symbols]
        if not wanted:
            return {}
        tapped = self._keras.Function(self._function._inputs_struct, [symbols[name] for name in wanted])
        return dict(zip(wanted, self._call(tapped, feeds), strict=True))

    def _call(self, function: Any, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        arrays = []
        for name, symbol in zip(self._inputs, self._function.inputs, strict=True):
            arrays.append(self._keras.ops.convert_to_tensor(feeds[name], dtype=symbol.dtype))
        given = self._keras.tree.pack_sequence_as(function._inputs_struct, arrays)
        try:
            results = self._keras.tree.flatten(function(given))
        except Exception as error:  # whatever comes up in the backend, or in a user's layer
            line = (str(error).strip().splitlines() or [""])[0]
            raise PredictionError(f"Keras fails: {type(error).__name__}: {line[:300]}") from error
        return [np.asarray(self._keras.ops.convert_to_numpy(result)) for result in results]
