"""Layers that bring constants: scale, bias and loadConstant.

Source: NeuralNetwork.proto, messages ScaleLayerParams, BiasLayerParams and LoadConstantLayerParams.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx_ir as ir

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import shape_of


@converts("scale")
def scale(context: LayerContext, layer: Any) -> None:
    """Mul, and Add with a bias; (..., C, H, W) stays."""
    params = layer.scale
    value = context.input()
    factors = _broadcast(context, value, "scale", params.shapeScale)
    result = context.builder.op("Mul", value, factors)
    if params.hasBias:
        result = context.builder.op("Add", result, _broadcast(context, value, "bias", params.shapeBias))
    context.output(result)


@converts("bias")
def bias(context: LayerContext, layer: Any) -> None:
    """Add; (..., C, H, W) stays."""
    value = context.input()
    terms = _broadcast(context, value, "bias", layer.bias.shape)
    context.output(context.builder.op("Add", value, terms))


def _broadcast(context: LayerContext, value: ir.Value, field: str, shape: Sequence[int]) -> ir.Value:
    """A weight of shape [1], [C], [1, H, W] or [C, H, W], with three axes that fit a blob's."""
    if len(shape) not in (1, 3) or min(shape) < 1:
        raise InvalidModelError(
            f"the shape of {field} is {list(shape)}; it must be [1], [C], [1, H, W] or [C, H, W]",
            where=context.where,
        )
    stored = tuple(int(size) for size in shape)
    full = stored if len(stored) == 3 else (stored[0], 1, 1)
    given = shape_of(value)
    if len(given) < 3:
        raise InvalidModelError(
            f"the layer needs a blob of rank 3 or more but gets rank {len(given)}", where=context.where
        )
    for size, needed in zip(given[-3:], full, strict=True):
        if needed != 1 and isinstance(size, int) and size != needed:
            raise InvalidModelError(
                f"{field} of shape {list(stored)} does not fit a blob of shape {given}", where=context.where
            )
    return context.weight_constant(context.weight(field, stored).reshape(full), field)


@converts("loadConstant")
def load_constant(context: LayerContext, layer: Any) -> None:
    """A constant blob (1, C, H, W), with a sequence axis in front where blobs keep their own rank."""
    shape = tuple(int(size) for size in layer.loadConstant.shape)
    if len(shape) != 3 or min(shape) < 1:
        raise InvalidModelError(f"the shape {list(shape)} is not [C, H, W]", where=context.where)
    blob = (1, *shape) if context.rank5 else (1, 1, *shape)
    context.output(context.weight_constant(context.weight("data", shape).reshape(blob), "data"))
