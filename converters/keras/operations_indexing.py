"""Operations of ``keras.ops`` that pick elements, order them or write into tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.keras.context import LayerContext
from mltoolkit.converters.keras.operations_unary import as_type
from mltoolkit.converters.keras.registry import converts_operation
from mltoolkit.converters.keras.tensors import Tensor

_INT64 = np.dtype(np.int64)
_INT32 = int(ir.DataType.INT32)
_TO_THE_END = (1 << 63) - 1


@converts_operation("GetItem")
def convert_get_item(context: LayerContext) -> Tensor:
    """``x[...]`` with numbers, slices, None and one ellipsis; or with one tensor of indices alone."""
    x, key = context.tensor(), context.argument("key")
    keys = list(key) if isinstance(key, tuple) else [key]
    if any(isinstance(item, (Tensor, list, np.ndarray)) for item in keys):
        if len(keys) == 1:
            return _take(context, x, context.operand(keys[0]), 0)
        context.refuse("it picks by several arrays of indices", "keras.ops.take along one axis")
    missing = x.rank - sum(item is not None and item is not Ellipsis for item in keys)
    if Ellipsis in keys:
        place = keys.index(Ellipsis)
        keys[place : place + 1] = [slice(None)] * missing
    else:
        keys += [slice(None)] * missing
    return _subscripted(context, x, keys)


def _subscripted(context: LayerContext, x: Tensor, keys: list[Any]) -> Tensor:
    cuts: list[tuple[int, int, int, int]] = []
    dropped: list[int] = []
    new: list[int] = []
    axis, results = 0, 0
    for item in keys:
        if item is None:
            new.append(results)
            results += 1
            continue
        if isinstance(item, slice):
            step = 1 if item.step is None else int(item.step)
            start = (0 if step > 0 else _TO_THE_END) if item.start is None else int(item.start)
            end = (_TO_THE_END if step > 0 else -_TO_THE_END) if item.stop is None else int(item.stop)
            whole = item.start in (None, 0) and item.stop is None and step == 1
            results += 1
        else:
            start, end, step, whole = int(item), int(item) + 1 or _TO_THE_END, 1, False
            dropped.append(axis)
        if not whole:
            cuts.append((start, end, x.stored_axis(axis), step))
        axis += 1
    value = x.value
    if cuts:
        value = context.op("Slice", value, *(context.constant(list(column)) for column in zip(*cuts, strict=True)))
    if not dropped and not new:
        return Tensor(value, x.moved)
    value = context.layouts.logical(Tensor(value, x.moved))
    if dropped:
        value = context.op("Squeeze", value, context.constant(dropped))
    return Tensor(context.op("Unsqueeze", value, context.constant(new)) if new else value)


@converts_operation("Take")
def convert_take(context: LayerContext) -> Tensor:
    """Elements of one axis by their places; of the flattened tensor without an axis."""
    x, indices = context.operand(context.argument("x")), context.operand(context.argument("indices"))
    axis = context.source.axis
    if axis is None:
        x = Tensor(context.op("Reshape", context.layouts.logical(x), context.constant([-1])))
    return _take(context, x, indices, axis or 0)


def _take(context: LayerContext, x: Tensor, indices: Tensor, axis: int) -> Tensor:
    places = as_type(context, context.layouts.unmoved(indices), _INT64)
    return Tensor(context.op("Gather", context.layouts.logical(x), places.value, axis=axis % x.rank))


@converts_operation("TakeAlongAxis")
def convert_take_along_axis(context: LayerContext) -> Tensor:
    """Elements of one axis, by places that differ along the others."""
    if context.source.axis is None:
        context.refuse("it has no axis", "keras.ops.take_along_axis with an axis")
    x, indices = context.operand(context.argument("x")), context.operand(context.argument("indices"))
    axis = context.source.axis % x.rank
    shape = [size if place != axis else indices.shape[place] for place, size in enumerate(x.shape)]
    if list(indices.shape) != shape:
        context.refuse("its indices are broadcast", "indices of the shape of what they pick from")
    places = as_type(context, context.layouts.unmoved(indices), _INT64)
    return Tensor(context.op("GatherElements", context.layouts.logical(x), places.value, axis=axis))


@converts_operation("Slice")
def convert_slice(context: LayerContext) -> Tensor:
    """A part of given shape, from constant places."""
    x, starts = context.operand(context.argument("inputs")), context.argument("start_indices")
    if isinstance(starts, Tensor) or any(isinstance(start, Tensor) for start in starts):
        context.refuse("where it starts is only known when the model runs", "constant places")
    begins = [int(start) for start in context.array(starts)]
    shape = [1 if size is None else int(size) for size in context.source.shape]
    ends = [_TO_THE_END if size == -1 else begin + size for begin, size in zip(begins, shape, strict=True)]
    axes = list(range(x.rank))
    constants = [context.constant(values) for values in (begins, ends, axes)]
    return Tensor(context.op("Slice", context.layouts.logical(x), *constants))


@converts_operation("TopK")
def convert_top_k(context: LayerContext) -> list[Tensor]:
    """The k greatest of the last axis, and their places."""
    values, places = context.builder.ops(
        "TopK",
        context.logical(),
        context.constant([int(context.source.k)]),
        attributes={"axis": context.tensor().rank - 1, "largest": 1, "sorted": 1},
        names=("", ""),
    )
    return [Tensor(values), Tensor(context.op("Cast", places, to=_INT32))]


@converts_operation("Sort", "Argsort")
def convert_sort(context: LayerContext) -> Tensor:
    """An axis in ascending order, or the places that make it so."""
    x = context.tensor()
    axis = context.source.axis
    if axis is None:
        context.refuse("it has no axis", f"keras.ops.{context.class_name.lower()} with an axis")
    place = x.stored_axis(axis)
    size = x.stored_shape[place]
    if not isinstance(size, int):
        context.refuse("the size of its axis is only known when the model runs", "an input of fixed size")
    values, places = context.builder.ops(
        "TopK", x.value, context.constant([size]), attributes={"axis": place, "largest": 0}, names=("", "")
    )
    return context.like_input(values if context.class_name == "Sort" else context.op("Cast", places, to=_INT32))


@converts_operation("OneHot")
def convert_one_hot(context: LayerContext) -> Tensor:
    """1 at the place that an index says along a new axis, 0 elsewhere."""
    x, source = context.tensor(), context.source
    axis = source.axis % (x.rank + 1)
    return one_hot(context, context.logical(), int(source.num_classes), axis)


def one_hot(context: LayerContext, indices: ir.Value, count: int, axis: int) -> Tensor:
    """Floating; an index outside 0 … count − 1 gives zeros."""
    rank = len(indices.shape or ())
    wanted = np.arange(count, dtype=np.int32).reshape([-1 if place == axis else 1 for place in range(rank + 1)])
    column = context.op(
        "Unsqueeze", as_type(context, Tensor(indices), np.dtype(np.int32)).value, context.constant([axis])
    )
    return Tensor(context.op("Cast", context.op("Equal", column, context.constant(wanted)), to=1))


@converts_operation("Cumsum")
def convert_cumsum(context: LayerContext) -> Tensor:
    """Sums of all elements up to each."""
    x = context.tensor()
    if context.source.axis is None:
        x = Tensor(context.op("Reshape", context.logical(), context.constant([-1])))
    place = context.constant(x.stored_axis(context.source.axis or 0))
    return Tensor(context.op("CumSum", x.value, place), x.moved)


@converts_operation("Tril", "Triu")
def convert_triangle(context: LayerContext) -> Tensor:
    """The last two axes below or above a diagonal, zeros elsewhere."""
    upper = int(context.class_name == "Triu")
    return Tensor(context.op("Trilu", context.logical(), context.constant(int(context.source.k)), upper=upper))
