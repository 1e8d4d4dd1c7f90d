"""Elements picked by index.

Source: NeuralNetwork.proto, messages GatherLayerParams, GatherNDLayerParams and GatherAlongAxisLayerParams.
Negative indices count from the end of an axis.
"""

from __future__ import annotations

from typing import Any

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.operands import exact_inputs, whole_numbers
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import shape_of

_ALONG_AXIS = {"gather": "Gather", "gatherAlongAxis": "GatherElements"}


@converts(*_ALONG_AXIS)
def gather(context: LayerContext, layer: Any) -> None:
    """As NumPy's take: slices of an axis; or its take_along_axis: single elements of an axis."""
    value, indices = exact_inputs(context, 2)
    kind = layer.WhichOneof("layer")
    axis = context.axis(value, int(context.params.axis))
    if kind == "gatherAlongAxis":
        _check_same_rank(context, len(shape_of(value)), len(shape_of(indices)))
    context.output(
        context.builder.op(_ALONG_AXIS[kind], value, whole_numbers(context, indices), attributes={"axis": axis})
    )


def _check_same_rank(context: LayerContext, rank: int, other: int) -> None:
    if rank != other:
        raise InvalidModelError(
            f"the layer takes inputs of one rank but gets ranks {rank} and {other}", where=context.where
        )


@converts("gatherND")
def gather_nd(context: LayerContext, layer: Any) -> None:
    """The elements or slices at the positions that the last axis of the indices holds."""
    value, indices = exact_inputs(context, 2)
    builder = context.builder
    result = builder.op("GatherND", value, whole_numbers(context, indices))
    depth = shape_of(indices)[-1]
    if isinstance(depth, int) and len(shape_of(indices)) - 1 + len(shape_of(value)) == depth:
        # Core ML has no arrays of rank 0.
        result = builder.op("Reshape", result, builder.constant([1]))
    context.output(result)
