"""Slices of any axes, as in NumPy.

Source: NeuralNetwork.proto, messages SliceStaticLayerParams, SliceDynamicLayerParams and
SliceBySizeLayerParams. For each axis there is a begin, an end and a stride, of which masks make the begin or
the end that of the whole axis; a squeeze mask keeps the element at the begin only, and drops the axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.operands import exact_inputs, single, whole_numbers
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.converters.neural_network.shape_parts import joined, reshape, sizes_of
from mltoolkit.converters.neural_network.sizes import MAX_SIZE, check_elements, stated_size
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import known_shape, shape_of

# Before the first element and behind the last of any axis; to onnxruntime, 2**31 - 1 is an end left out.
_FIRST, _LAST = -(MAX_SIZE - 1), MAX_SIZE - 1
# The parts of a slice, in the order of sliceDynamic's inputs.
_PARTS = ("beginIds", "endIds", "strides", "beginMasks", "endMasks", "squeezeMasks")
# What counts for a part that neither an input nor the file gives.
_DEFAULTS = {"beginIds": 0, "endIds": 1, "strides": 1, "beginMasks": 0, "endMasks": 0, "squeezeMasks": 0}


@converts("sliceStatic", "sliceDynamic")
def slice_axes(context: LayerContext, layer: Any) -> None:
    """Parts given by the file or, of sliceDynamic, by further inputs."""
    dynamic = layer.WhichOneof("layer") == "sliceDynamic"
    value, *given = exact_inputs(context, *(range(2, len(_PARTS) + 2) if dynamic else (1,)))
    rank = len(shape_of(value))
    parts = [
        _given_part(context, given[index], rank) if index < len(given) else _stated_part(context, name, rank)
        for index, name in enumerate(_PARTS)
    ]
    starts, ends, strides, squeezed = _bounds(context, parts)
    builder = context.builder
    axes = builder.constant(list(range(rank)))
    context.output(_without(context, builder.op("Slice", value, starts, ends, axes, strides), squeezed))


def _given_part(context: LayerContext, value: ir.Value, rank: int) -> ir.Value:
    shape = shape_of(value)
    if len(shape) != 1 or (isinstance(shape[0], int) and shape[0] != rank):
        raise InvalidModelError(
            f"an input of shape {shape} cannot hold a number for each of {rank} axes", where=context.where
        )
    return whole_numbers(context, value)


def _stated_part(context: LayerContext, name: str, rank: int) -> ir.Value:
    stated: Sequence[int] = getattr(context.params, name, ())
    static = context.layer.WhichOneof("layer") == "sliceStatic"
    # coremltools writes five numbers into a dynamic slice that states none, whatever the rank.
    fits = not stated or len(stated) == rank or (not static and len(stated) > rank)
    if not fits or (static and not stated and name != "squeezeMasks"):
        raise InvalidModelError(f"{name} has {len(stated)} entries for a blob of rank {rank}", where=context.where)
    numbers = [max(_FIRST, min(int(number), _LAST)) for number in stated] or [_DEFAULTS[name]] * rank
    if name == "strides" and 0 in numbers[:rank]:
        raise InvalidModelError("a stride is 0", where=context.where)
    return context.builder.constant(np.array(numbers[:rank], dtype=np.int64))


def _bounds(context: LayerContext, parts: list[ir.Value]) -> tuple[ir.Value, ir.Value, ir.Value, ir.Value]:
    """Starts, ends and strides of ONNX's Slice, and 1 for each axis that goes; constants if all parts are."""
    known = [part.const_value.numpy() for part in parts if part.const_value is not None]
    constant = context.builder.constant
    if len(known) == len(parts):
        begins, ends, strides, begin_masks, end_masks, squeezed = known
        backwards = strides < 0
        begins = np.where((begin_masks != 0) & (squeezed == 0), np.where(backwards, _LAST, _FIRST), begins)
        ends = np.where(end_masks != 0, np.where(backwards, _FIRST, _LAST), ends)
        ends = np.where(squeezed != 0, np.where(begins == -1, _LAST, begins + 1), ends)
        strides = np.where(squeezed != 0, 1, strides)
        return constant(begins), constant(ends), constant(strides), constant((squeezed != 0).astype(np.int64))
    return _bounds_when_run(context, parts)


def _bounds_when_run(context: LayerContext, parts: list[ir.Value]) -> tuple[ir.Value, ir.Value, ir.Value, ir.Value]:
    """As :func:`_bounds`, by ONNX operations."""
    builder = context.builder
    zero, one, first, last = (builder.constant(number) for number in (0, 1, _FIRST, _LAST))

    def where(condition: ir.Value, chosen: ir.Value, other: ir.Value) -> ir.Value:
        return builder.op("Where", condition, chosen, other)

    begins, ends, strides = parts[:3]
    begin_mask, end_mask, squeezed = (
        builder.op("Cast", part, attributes={"to": ir.DataType.BOOL}) for part in parts[3:]
    )
    backwards = builder.op("Less", strides, zero)
    whole_begin = builder.op("And", begin_mask, builder.op("Not", squeezed))
    begins = where(whole_begin, where(backwards, last, first), begins)
    ends = where(end_mask, where(backwards, first, last), ends)
    behind = where(builder.op("Equal", begins, builder.constant(-1)), last, builder.op("Add", begins, one))
    ends = where(squeezed, behind, ends)
    strides = where(squeezed, one, strides)
    return begins, ends, strides, builder.op("Cast", squeezed, attributes={"to": ir.DataType.INT64})


def _without(context: LayerContext, value: ir.Value, squeezed: ir.Value) -> ir.Value:
    """A value without the axes marked by 1; one axis always remains."""
    builder = context.builder
    if squeezed.const_value is None:
        kept = builder.op("Equal", squeezed, builder.constant(0))
        return reshape(context, value, builder.op("Compress", sizes_of(context, value), kept), zero_is_a_size=True)
    flags = squeezed.const_value.numpy()
    axes = [axis for axis, flag in enumerate(flags) if flag]
    if len(axes) == len(flags):
        return builder.op("Reshape", value, builder.constant([1]))
    return builder.op("Squeeze", value, builder.constant(axes)) if axes else value


@converts("sliceBySize")
def slice_by_size(context: LayerContext, layer: Any) -> None:
    """``size`` elements of an axis, from the index that the second input holds."""
    params = layer.sliceBySize
    value, begin = exact_inputs(context, 2)
    axis = context.axis(value, int(params.axis))
    size = stated_size(context, "size", params.size)
    available = shape_of(value)[axis]
    if isinstance(available, int) and size > available:
        raise InvalidModelError(f"{size} elements cannot be cut out of an axis of {available}", where=context.where)
    check_elements(context, [size])
    builder = context.builder
    start = whole_numbers(context, single(context, begin))
    length = sizes_of(context, value, axis, axis + 1)
    # A negative begin counts from the end of the axis, as elsewhere.
    start = builder.op(
        "Where", builder.op("Less", start, builder.constant([0])), builder.op("Add", start, length), start
    )
    end = builder.op("Add", start, joined(context, [size]))
    result = builder.op("Slice", value, start, end, builder.constant([axis]))
    shape = known_shape(result)
    if shape is not None and shape[axis] is None:
        result.shape = ir.Shape([*shape[:axis], size, *shape[axis + 1 :]])
    context.output(result)
