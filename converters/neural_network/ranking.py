"""Where the largest and smallest elements are: argMax, argMin, topK and argSort.

Source: NeuralNetwork.proto, messages ArgMaxLayerParams, ArgMinLayerParams, TopKLayerParams and
ArgSortLayerParams. Among equal elements the one with the lowest index comes first.
"""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.operands import blob, exact_inputs, single, whole_numbers
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.converters.neural_network.sizes import stated_size
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import shape_of

_OPERATORS = {"argMax": "ArgMax", "argMin": "ArgMin"}


@converts(*_OPERATORS)
def extremum(context: LayerContext, layer: Any) -> None:
    """The index of the extremum along an axis, which keeps size 1 or goes; rank 1 stays."""
    params = context.params
    value = context.input()
    attributes = {
        "axis": context.axis(value, int(params.axis)),
        "keepdims": int(not params.removeDim or len(shape_of(value)) == 1),
    }
    index = context.builder.op(_OPERATORS[layer.WhichOneof("layer")], value, attributes=attributes)
    context.output(blob(context, index))


@converts("topK")
def top_k(context: LayerContext, layer: Any) -> None:
    """The K largest or smallest elements along an axis, in order, and their indices."""
    params = layer.topK
    value, *given = exact_inputs(context, 1, 2)
    axis = context.axis(value, int(params.axis))
    if given:
        count = whole_numbers(context, single(context, given[0]))
    else:
        wanted, size = stated_size(context, "K", params.K), shape_of(value)[axis]
        if isinstance(size, int) and wanted > size:
            raise InvalidModelError(f"K is {wanted} but axis {axis} has only {size} elements", where=context.where)
        count = context.builder.constant([wanted])
    values, indices = _sorted(context, value, count, axis, largest=not params.useBottomK)
    context.output(values, 0)
    context.output(blob(context, indices), 1)


@converts("argSort")
def arg_sort(context: LayerContext, layer: Any) -> None:
    """The indices that sort an axis."""
    params = layer.argSort
    value = context.input()
    axis = context.axis(value, int(params.axis))
    size = shape_of(value)[axis]
    builder = context.builder
    count = (
        builder.constant([size])
        if isinstance(size, int)
        else builder.op("Shape", value, attributes={"start": axis, "end": axis + 1})
    )
    _, indices = _sorted(context, value, count, axis, largest=params.descending)
    context.output(blob(context, indices))


def _sorted(
    context: LayerContext, value: ir.Value, count: ir.Value, axis: int, *, largest: bool
) -> tuple[ir.Value, ir.Value]:
    attributes = {"axis": axis, "largest": int(largest), "sorted": 1}
    values, indices = context.builder.ops("TopK", value, count, attributes=attributes, names=("", ""))
    return values, indices
