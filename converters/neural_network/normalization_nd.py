"""Normalisation along any axes: softmax and layer normalisation.

Source: NeuralNetwork.proto, messages SoftmaxNDLayerParams and LayerNormalizationLayerParams.
"""

from __future__ import annotations

from typing import Any

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import shape_of


@converts("softmaxND")
def softmax_nd(context: LayerContext, layer: Any) -> None:
    """Softmax along an axis; the shape stays."""
    value = context.input()
    attributes = {"axis": context.axis(value, int(layer.softmaxND.axis))}
    context.output(context.builder.op("Softmax", value, attributes=attributes))


@converts("layerNormalization")
def layer_normalization(context: LayerContext, layer: Any) -> None:
    """gamma · (x − mean) / √(variance + eps) + beta over the last axes, those of ``normalizedShape``."""
    params = layer.layerNormalization
    value = context.input()
    shape = shape_of(value)
    normalized = tuple(int(size) for size in params.normalizedShape)
    known = zip(shape[len(shape) - len(normalized) :], normalized, strict=False)
    if not 1 <= len(normalized) <= len(shape) or any(
        size < 1 or (isinstance(given, int) and given != size) for given, size in known
    ):
        raise InvalidModelError(
            f"the normalizedShape {normalized} is not the end of the input's shape {shape}",
            where=context.where,
        )
    if not params.eps >= 0:
        raise InvalidModelError(f"eps is {params.eps:g}; it must not be negative", where=context.where)
    factors = [context.stored_constant(field, normalized) for field in ("gamma", "beta")]
    attributes = {"axis": len(shape) - len(normalized), "epsilon": float(params.eps)}
    context.output(context.builder.op("LayerNormalization", value, *factors, attributes=attributes))
