"""Layers that give a blob of any rank another shape, and the one that gives its shape out.

Source: NeuralNetwork.proto, messages ReshapeStaticLayerParams, ReshapeDynamicLayerParams,
ReshapeLikeLayerParams, RankPreservingReshapeLayerParams, FlattenTo2DLayerParams and GetShapeLayerParams.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import onnx_ir as ir

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.operands import blob, exact_inputs, shape_vector
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.converters.neural_network.shape_parts import Axes, reshape, reshaped, sizes_of
from mltoolkit.converters.neural_network.sizes import MAX_SIZE
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import shape_of


@converts("reshapeStatic", "rankPreservingReshape")
def reshape_to_stated(context: LayerContext, layer: Any) -> None:
    """``targetShape``, where 0 keeps an axis and one −1 takes what is left."""
    (value,) = exact_inputs(context, 1)
    shape = shape_of(value)
    target = _stated_target(context, context.params.targetShape)
    if layer.WhichOneof("layer") == "rankPreservingReshape" and len(target) != len(shape):
        raise InvalidModelError(
            f"targetShape has {len(target)} values for a blob of rank {len(shape)}", where=context.where
        )
    if any(size == 0 and axis >= len(shape) for axis, size in enumerate(target)):
        raise InvalidModelError(
            f"targetShape {target} keeps an axis that the blob of shape {shape} does not have",
            where=context.where,
        )
    _check_count(context, value, target)
    parts = [[size] if size else Axes(value, axis, axis + 1) for axis, size in enumerate(target)]
    context.output(reshaped(context, value, *parts))


def _stated_target(context: LayerContext, given: Iterable[int]) -> list[int]:
    target = [int(size) for size in given]
    if not target or any(not -1 <= size <= MAX_SIZE for size in target) or target.count(-1) > 1:
        raise InvalidModelError(f"targetShape {target} is no shape", where=context.where)
    return target


def _check_count(context: LayerContext, value: ir.Value, target: list[int]) -> None:
    shape = shape_of(value)
    known = [size for size in shape if isinstance(size, int)]
    wanted = [shape[axis] if size == 0 else size for axis, size in enumerate(target)]
    if len(known) != len(shape):
        return
    count, stated = (
        math.prod(known),
        math.prod(size for size in wanted if isinstance(size, int) and size >= 0),
    )
    fits = (count % stated == 0 if stated else count == 0) if -1 in wanted else count == stated
    if not fits:
        raise InvalidModelError(
            f"a blob of {count} elements (shape {shape}) cannot take the shape {target}", where=context.where
        )


@converts("reshapeDynamic")
def reshape_to_given(context: LayerContext, layer: Any) -> None:
    """The shape that the second input holds."""
    value, target = exact_inputs(context, 2)
    context.output(reshape(context, value, shape_vector(context, target)))


@converts("reshapeLike")
def reshape_like(context: LayerContext, layer: Any) -> None:
    """The shape that the second input has."""
    value, model = exact_inputs(context, 2)
    context.output(reshaped(context, value, Axes(model)))


@converts("flattenTo2D")
def flatten_to_2d(context: LayerContext, layer: Any) -> None:
    """The axes before ``axis`` as one, and the others as another."""
    (value,) = exact_inputs(context, 1)
    axis, rank = int(layer.flattenTo2D.axis), len(shape_of(value))
    if not -rank <= axis <= rank:
        raise InvalidModelError(f"the layer cannot part a blob of rank {rank} at axis {axis}", where=context.where)
    context.output(context.builder.op("Flatten", value, attributes={"axis": axis + rank if axis < 0 else axis}))


@converts("getShape")
def get_shape(context: LayerContext, layer: Any) -> None:
    """The shape as a blob of rank 1."""
    (value,) = exact_inputs(context, 1)
    context.output(blob(context, sizes_of(context, value)))
