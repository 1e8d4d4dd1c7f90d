"""Concatenation: the layer and the operation."""

from __future__ import annotations

from mltoolkit.converters.keras.context import LayerContext
from mltoolkit.converters.keras.elementwise import operands
from mltoolkit.converters.keras.registry import converts, converts_operation
from mltoolkit.converters.keras.tensors import Tensor


@converts("Concatenate")
def convert_concatenate(context: LayerContext) -> Tensor:
    """Along an axis."""
    return concatenate(context, list(context.inputs), context.source.axis)


@converts_operation("Concatenate")
def convert_concatenate_operation(context: LayerContext) -> Tensor:
    """Along an axis; some of the operands may be constants."""
    return concatenate(context, operands(context, context.args[0]), context.source.axis)


def concatenate(context: LayerContext, tensors: list[Tensor], axis: int) -> Tensor:
    """Tensors of one rank after each other."""
    if any(tensor.moved for tensor in tensors):
        tensors = [context.layouts.moved(tensor) for tensor in tensors]
    values = [tensor.value for tensor in tensors]
    place = tensors[0].stored_axis(axis)
    return Tensor(context.op("Concat", *values, axis=place), tensors[0].moved)
