"""Reductions over any axes.

Source: NeuralNetwork.proto, messages ReduceL1LayerParams … ReduceLogSumExpLayerParams.
"""

from __future__ import annotations

from typing import Any

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import shape_of

_OPERATORS = {
    "reduceL1": "ReduceL1",
    "reduceL2": "ReduceL2",
    "reduceLogSum": "ReduceLogSum",
    "reduceLogSumExp": "ReduceLogSumExp",
    "reduceMax": "ReduceMax",
    "reduceMean": "ReduceMean",
    "reduceMin": "ReduceMin",
    "reduceProd": "ReduceProd",
    "reduceSum": "ReduceSum",
    "reduceSumSquare": "ReduceSumSquare",
}


@converts(*_OPERATORS)
def reduce_axes(context: LayerContext, layer: Any) -> None:
    """The reduced axes keep size 1 or go; where all of them go, shape (1,) remains."""
    params = context.params
    value = context.input()
    rank = len(shape_of(value))
    if params.reduceAll:
        axes = list(range(rank))
    elif params.axes:
        axes = sorted({context.axis(value, int(axis)) for axis in params.axes})
    else:
        raise InvalidModelError("the layer names no axes to reduce", where=context.where)
    builder = context.builder
    result = builder.op(
        _OPERATORS[layer.WhichOneof("layer")],
        value,
        builder.constant(axes),
        attributes={"keepdims": int(params.keepDims)},
    )
    if len(axes) == rank and not params.keepDims:
        result = builder.op("Reshape", result, builder.constant([1]))
    context.output(result)
