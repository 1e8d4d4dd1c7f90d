"""Elements replaced, or changed, at given indices.

Source: NeuralNetwork.proto, messages ScatterLayerParams, ScatterNDLayerParams and
ScatterAlongAxisLayerParams. Updates of one element take place in order.

Several updates become ScatterElements. ONNX leaves it open what ScatterND does with an index that occurs
twice, and onnxruntime then lets its threads overwrite each other (found by trying, 1.31).
"""

from __future__ import annotations

import math
from typing import Any

import onnx_ir as ir

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.operands import exact_inputs, whole_numbers
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.converters.neural_network.shape_parts import Axes, Part, joined, reshape, reshaped, sizes_of
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import Dimension, shape_of

# ScatterMode
_UPDATE, _ADD, _SUB, _MUL, _DIV, _MAX, _MIN = range(7)
_REDUCTIONS = {_UPDATE: "none", _ADD: "add", _SUB: "add", _MUL: "mul", _DIV: "mul", _MAX: "max", _MIN: "min"}


@converts("scatterAlongAxis")
def scatter_along_axis(context: LayerContext, layer: Any) -> None:
    """As NumPy's put_along_axis: each update has an index of its own along the axis."""
    container, indices, updates = exact_inputs(context, 3)
    axis = context.axis(container, int(layer.scatterAlongAxis.axis))
    _check_ranks(context, len(shape_of(container)), shape_of(container), shape_of(indices), shape_of(updates))
    context.output(_scatter_elements(context, container, whole_numbers(context, indices), updates, axis))


@converts("scatter")
def scatter(context: LayerContext, layer: Any) -> None:
    """Slices of an axis: container (…, D, …), indices (i, j, …), updates (…, i, j, …, …)."""
    container, indices, updates = exact_inputs(context, 3)
    axis = context.axis(container, int(layer.scatter.axis))
    rank, depth = len(shape_of(container)), len(shape_of(indices))
    _check_ranks(context, rank + depth - 1, shape_of(updates))
    positions = reshaped(context, whole_numbers(context, indices), [-1])
    if axis == 0 and _is_single(shape_of(indices)):
        updates = reshaped(context, updates, [1], Axes(container, 1))
        context.output(_scatter_one(context, container, reshaped(context, positions, [1, 1]), updates))
        return
    if depth != 1:
        updates = reshaped(
            context,
            updates,
            Axes(updates, 0, axis),
            [-1],
            Axes(updates, axis + depth),
        )
    positions = reshaped(context, positions, [-1] + [1] * (rank - axis - 1))
    positions = context.builder.op("Expand", positions, sizes_of(context, updates))
    context.output(_scatter_elements(context, container, positions, updates, axis))


@converts("scatterND")
def scatter_nd(context: LayerContext, layer: Any) -> None:
    """Elements or slices at the positions that the last axis of the indices holds."""
    container, indices, updates = exact_inputs(context, 3)
    depth, rank = context.size(indices, -1), len(shape_of(container))
    if not 1 <= depth <= rank:
        raise InvalidModelError(
            f"an index has {depth} numbers where the container has rank {rank}", where=context.where
        )
    _check_ranks(context, len(shape_of(indices)) - 1 + rank - depth, shape_of(updates))
    positions = whole_numbers(context, indices)
    if _is_single(shape_of(indices)[:-1]):
        context.output(_scatter_one(context, container, positions, updates))
        return
    builder = context.builder
    # Numbers of the container's slices, picked by the indices: settles negative ones, refuses those outside.
    count = reshaped(context, joined(context, _elements(context, container, 0, depth)), [])
    numbers = builder.op("Range", builder.constant(0), count, builder.constant(1))
    numbers = reshaped(context, numbers, Axes(container, 0, depth))
    rows = reshaped(context, builder.op("GatherND", numbers, positions), [-1, 1])
    by_slice = joined(context, [-1], _elements(context, container, depth, rank))
    slices, changes = reshape(context, container, by_slice), reshape(context, updates, by_slice)
    rows = builder.op("Expand", rows, sizes_of(context, changes))
    result = _scatter_elements(context, slices, rows, changes, 0)
    context.output(reshaped(context, result, Axes(container)))


def _elements(context: LayerContext, container: ir.Value, start: int, end: int) -> Part:
    """The product of the sizes of the axes ``start`` to ``end``, as a part of a shape."""
    part = shape_of(container)[start:end]
    known = [size for size in part if isinstance(size, int)]
    if len(known) == len(part):
        return [math.prod(known)]
    return context.builder.op("ReduceProd", sizes_of(context, container, start, end))


def _is_single(shape: tuple[Dimension, ...]) -> bool:
    return all(size == 1 for size in shape)


def _check_ranks(context: LayerContext, wanted: int, *shapes: tuple[Dimension, ...]) -> None:
    for shape in shapes:
        if len(shape) != wanted:
            raise InvalidModelError(
                f"an input of shape {shape} has rank {len(shape)} where {wanted} is needed",
                where=context.where,
            )


def _reduction(context: LayerContext) -> str:
    mode = context.params.mode
    if mode not in _REDUCTIONS:
        raise InvalidModelError(f"the mode {mode} is unknown", where=context.where)
    return _REDUCTIONS[mode]


def _scatter_elements(
    context: LayerContext, container: ir.Value, indices: ir.Value, updates: ir.Value, axis: int
) -> ir.Value:
    attributes = {"axis": axis, "reduction": _reduction(context)}
    return _apply(context, "ScatterElements", attributes, container, indices, updates)


def _scatter_one(context: LayerContext, container: ir.Value, indices: ir.Value, updates: ir.Value) -> ir.Value:
    """A single update, which is copied as a whole: what the lists of loops are made of."""
    return _apply(context, "ScatterND", {"reduction": _reduction(context)}, container, indices, updates)


def _apply(
    context: LayerContext,
    operator: str,
    attributes: dict[str, Any],
    container: ir.Value,
    indices: ir.Value,
    updates: ir.Value,
) -> ir.Value:
    builder = context.builder
    mode = context.params.mode
    if mode == _SUB:
        updates = builder.op("Neg", updates)
    if mode != _DIV:
        return builder.op(operator, container, indices, updates, attributes=attributes)
    # Divided by the product of an element's updates, rather than multiplied by rounded reciprocals.
    ones = builder.op("Expand", builder.constant(1.0), sizes_of(context, container))
    divisors = builder.op(operator, ones, indices, updates, attributes=attributes)
    return builder.op("Div", container, divisors)
