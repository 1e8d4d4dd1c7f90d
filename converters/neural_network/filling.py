"""Blobs filled with one value, in a shape that a blob has, the file states or a blob holds.

Source: NeuralNetwork.proto, messages FillLikeLayerParams, FillStaticLayerParams and FillDynamicLayerParams.
"""

from __future__ import annotations

from typing import Any

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.converters.neural_network.wanted_shape import fill, wanted_shape


@converts("fillLike", "fillStatic", "fillDynamic")
def fill_layer(context: LayerContext, layer: Any) -> None:
    """A constant blob."""
    context.output(fill(context, wanted_shape(context, "targetShape"), float(context.params.value)))
