"""Axes of size 1 added and removed.

Source: NeuralNetwork.proto, messages ExpandDimsLayerParams and SqueezeLayerParams.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import onnx_ir as ir

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.operands import exact_inputs
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.converters.neural_network.shape_parts import joined, reshape, reshaped, sizes_of
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import shape_of


@converts("expandDims")
def expand_dims(context: LayerContext, layer: Any) -> None:
    """New axes at these places of the output."""
    (value,) = exact_inputs(context, 1)
    given = layer.expandDims.axes
    axes = _distinct(context, given, len(shape_of(value)) + len(given))
    context.output(context.builder.op("Unsqueeze", value, context.builder.constant(axes)))


@converts("squeeze")
def squeeze(context: LayerContext, layer: Any) -> None:
    """The named axes go, or all of size 1; one axis always remains."""
    (value,) = exact_inputs(context, 1)
    builder = context.builder
    shape = shape_of(value)
    if layer.squeeze.squeezeAll:
        context.output(_squeeze_all(context, value))
        return
    axes = _distinct(context, layer.squeeze.axes, len(shape))
    if any(isinstance(shape[axis], int) and shape[axis] != 1 for axis in axes):
        raise InvalidModelError(
            f"the axes {axes} of a blob of shape {shape} do not all have size 1", where=context.where
        )
    if len(axes) == len(shape):
        context.output(builder.op("Reshape", value, builder.constant([1])))
        return
    context.output(builder.op("Squeeze", value, builder.constant(axes)))


def _squeeze_all(context: LayerContext, value: ir.Value) -> ir.Value:
    builder = context.builder
    shape = shape_of(value)
    if all(isinstance(size, int) for size in shape):
        kept = [size for size in shape if isinstance(size, int) and size != 1] or [1]
        return reshaped(context, value, kept)
    # Which axes go is found out when the model runs; a blob of one element keeps an axis.
    sizes = sizes_of(context, value)
    kept_sizes = builder.op("Compress", sizes, builder.op("Not", builder.op("Equal", sizes, builder.constant(1))))
    single = builder.op("Equal", builder.op("ReduceProd", sizes), builder.constant(1))
    one = builder.op("Compress", builder.constant([1]), single)
    return reshape(context, value, joined(context, kept_sizes, one), zero_is_a_size=True)


def _distinct(context: LayerContext, given: Iterable[int], rank: int) -> list[int]:
    """Axes of a blob of this rank, in order.

    Raises:
        InvalidModelError: there are none, one is named twice or one does not exist.
    """
    axes = [int(axis) for axis in given]
    places = sorted({axis % rank for axis in axes if -rank <= axis < rank})
    if not axes or len(places) != len(axes):
        raise InvalidModelError(f"{axes} are no different axes of rank {rank}", where=context.where)
    return places
