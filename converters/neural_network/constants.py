"""Constants of any rank, and copies.

Source: NeuralNetwork.proto, messages LoadConstantNDLayerParams and CopyLayerParams.
"""

from __future__ import annotations

from typing import Any

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.operands import exact_inputs
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.converters.neural_network.sizes import stated_size
from mltoolkit.errors import InvalidModelError


@converts("loadConstantND")
def load_constant_nd(context: LayerContext, layer: Any) -> None:
    """A constant of the stated shape."""
    shape = tuple(stated_size(context, "shape", size) for size in layer.loadConstantND.shape)
    if not shape:
        raise InvalidModelError("shape is empty", where=context.where)
    context.output(context.stored_constant("data", shape))


@converts("copy")
def copy(context: LayerContext, layer: Any) -> None:
    """The same value under another name, which may be one that has a value already."""
    context.output(exact_inputs(context, 1)[0])
