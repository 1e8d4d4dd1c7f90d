"""The other faces of a shipped custom layer: Keras, and ONNX operators."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from mltoolkit.converters.hooks import HookedLayer
from mltoolkit.converters.native_custom_layers import native_form
from mltoolkit.custom_layers import CustomLayer, CustomLayerSet
from mltoolkit.custom_layers.shipped import SHIPPED
from mltoolkit.graph.builder import GraphBuilder
from mltoolkit.runtime.session import OrtSession

Arrays = Sequence[NDArray[np.float32]]


def has_keras_face(layer: CustomLayer) -> bool:
    """Whether the layer has a Keras form and the program uses Keras, which is slow to import."""
    shipped = SHIPPED.get(layer.class_name)
    if "keras" not in sys.modules or shipped is None or type(layer) is not shipped.load():
        return False
    return find_spec(_keras_module(layer)) is not None


def _keras_module(layer: CustomLayer) -> str:
    return f"mltoolkit.custom_layers.{SHIPPED[layer.class_name].module}.keras_layer"


def keras_outputs(layer: CustomLayer, inputs: Arrays) -> list[NDArray[np.float32]] | None:
    """What the Keras form computes for channels-first inputs; None where it has no form of these shapes."""
    if any(array.ndim != 4 for array in inputs):
        return None
    module = import_module(_keras_module(layer))
    if not hasattr(module, type(layer).__name__):
        return None
    # Maps of the size 1×1, such as theta, are vectors in Keras.
    given = [
        array.reshape(len(array), -1) if index and array.shape[2:] == (1, 1) else array.transpose(0, 2, 3, 1)
        for index, array in enumerate(inputs)
    ]
    keras_layer = module.from_custom_layer(layer, given)
    found = module.keras.ops.convert_to_numpy(keras_layer(given if len(given) > 1 else given[0]))
    return [np.ascontiguousarray(found.transpose(0, 3, 1, 2), dtype=np.float32)]


def operator_outputs(layer: CustomLayer, inputs: Arrays) -> list[NDArray[np.float32]] | None:
    """What the layer's ONNX operators compute in onnxruntime; None where it has no form of these shapes."""
    form = native_form(layer.class_name, CustomLayerSet())
    if form is None or type(layer) is not SHIPPED[layer.class_name].load():
        return None
    builder = GraphBuilder("custom_layer")
    values = [builder.input(f"input{index}", np.float32, array.shape) for index, array in enumerate(inputs)]
    result = form(
        HookedLayer(
            name=layer.class_name,
            class_name=layer.class_name,
            domain="",
            config=layer.parameters,
            weights=layer.weights,
            input_shapes=[array.shape for array in inputs],
            output_shapes=[None],
            source=layer,
            inputs=values,
            builder=builder,
        )
    )
    if result is None:
        return None
    model = builder.finish([result])
    session = OrtSession(list(model.graph), values, [result], threads=1, name=f"the operators of {layer.class_name}")
    feeds = {value.name or "": array for value, array in zip(values, inputs, strict=True)}
    return list(session.run(feeds).values())
