"""Blobs of any rank joined, split and repeated.

Source: NeuralNetwork.proto, messages ConcatNDLayerParams, StackLayerParams, SplitNDLayerParams and
TileLayerParams.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.operands import exact_inputs, shape_vector
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.converters.neural_network.shape_parts import Axes, joined, reshaped, sizes_of
from mltoolkit.converters.neural_network.sizes import check_elements, stated_size
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import Dimension, shape_of


@converts("concatND")
def concat(context: LayerContext, layer: Any) -> None:
    """The inputs one after the other along an axis, or, interleaved, an element of each in turn."""
    params = layer.concatND
    values = _inputs_of_one_rank(context)
    axis = context.axis(values[0], int(params.axis))
    _check_alike(context, values, None if params.interleave else axis)
    if not params.interleave:
        context.output(context.builder.op("Concat", *values, attributes={"axis": axis}))
        return
    first = values[0]
    stacked = _stack(context, values, axis + 1)
    context.output(reshaped(context, stacked, Axes(first, 0, axis), [-1], Axes(first, axis + 1)))


@converts("stack")
def stack(context: LayerContext, layer: Any) -> None:
    """The inputs side by side along a new axis of the output."""
    values = _inputs_of_one_rank(context)
    rank = len(shape_of(values[0])) + 1
    axis = int(layer.stack.axis)
    if not -rank <= axis < rank:
        raise InvalidModelError(f"axis {axis} is outside the output's rank {rank}", where=context.where)
    _check_alike(context, values, None)
    context.output(_stack(context, values, axis % rank))


def _stack(context: LayerContext, values: list[ir.Value], axis: int) -> ir.Value:
    builder = context.builder
    slices = [builder.op("Unsqueeze", value, builder.constant([axis])) for value in values]
    return builder.op("Concat", *slices, attributes={"axis": axis})


def _inputs_of_one_rank(context: LayerContext) -> list[ir.Value]:
    values = context.inputs()
    ranks = {len(shape_of(value)) for value in values}
    if len(ranks) != 1:
        raise InvalidModelError(
            f"the layer takes inputs of one rank but gets {sorted(ranks) or 'none'}", where=context.where
        )
    return values


def _check_alike(context: LayerContext, values: list[ir.Value], free_axis: int | None) -> None:
    for axis, sizes in enumerate(zip(*(shape_of(value) for value in values), strict=True)):
        known = {size for size in sizes if isinstance(size, int)}
        if axis != free_axis and len(known) > 1:
            raise InvalidModelError(
                f"the inputs have the sizes {sorted(known)} along axis {axis}, where they must agree",
                where=context.where,
            )


@converts("splitND")
def split(context: LayerContext, layer: Any) -> None:
    """An axis cut into parts of stated sizes, or as equal as can be, the longer ones first."""
    params = layer.splitND
    (value,) = exact_inputs(context, 1)
    axis = context.axis(value, int(params.axis))
    count = len(context.layer.output)
    wanted = len(params.splitSizes) or params.numSplits
    if not count or wanted != count:
        raise InvalidModelError(f"the layer splits into {wanted} parts but has {count} outputs", where=context.where)
    outputs = context.builder.ops(
        "Split", value, _part_sizes(context, value, axis), attributes={"axis": axis}, names=[""] * count
    )
    for index, output in enumerate(outputs):
        context.output(output, index)


def _part_sizes(context: LayerContext, value: ir.Value, axis: int) -> ir.Value:
    builder = context.builder
    size = shape_of(value)[axis]
    stated = [stated_size(context, "splitSizes", part, minimum=0) for part in context.params.splitSizes]
    if stated:
        if isinstance(size, int) and sum(stated) != size:
            raise InvalidModelError(
                f"an axis of {size} elements cannot be split into parts of {stated}", where=context.where
            )
        return builder.constant(stated)
    count = len(context.layer.output)
    places = np.arange(count, dtype=np.int64)
    if isinstance(size, int):
        return builder.constant(size // count + (places < size % count))
    length, divisor = sizes_of(context, value, axis, axis + 1), builder.constant([count])
    longer = builder.op("Less", builder.constant(places), builder.op("Mod", length, divisor))
    one = builder.op("Cast", longer, attributes={"to": ir.DataType.INT64})
    return builder.op("Add", builder.op("Div", length, divisor), one)


@converts("tile")
def tile(context: LayerContext, layer: Any) -> None:
    """Each axis repeated; ``reps`` counts from the last axis."""
    value, *given = exact_inputs(context, 1, 2)
    shape = shape_of(value)
    if given:
        repeats = _given_repeats(context, given[0], len(shape))
    else:
        repeats = context.builder.constant(_stated_repeats(context, shape))
    context.output(context.builder.op("Tile", value, repeats))


def _given_repeats(context: LayerContext, given: ir.Value, rank: int) -> ir.Value:
    vector = shape_vector(context, given)
    (length,) = shape_of(vector)
    # A vector of unknown length can only be as long as the blob has axes.
    missing = rank - length if isinstance(length, int) else 0
    if missing < 0:
        raise InvalidModelError(f"{length} repetitions are given for a blob of rank {rank}", where=context.where)
    return joined(context, [1] * missing, vector) if missing else vector


def _stated_repeats(context: LayerContext, shape: tuple[Dimension, ...]) -> list[int]:
    stated = [stated_size(context, "reps", count) for count in context.params.reps]
    if not 1 <= len(stated) <= len(shape):
        raise InvalidModelError(f"reps has {len(stated)} entries for a blob of rank {len(shape)}", where=context.where)
    repeats = [1] * (len(shape) - len(stated)) + stated
    check_elements(
        context,
        [(size if isinstance(size, int) else 1) * count for size, count in zip(shape, repeats, strict=True)],
    )
    return repeats
