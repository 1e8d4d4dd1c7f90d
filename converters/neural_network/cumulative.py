"""Cumulative sums.

Source: NeuralNetwork.proto, message CumSumLayerParams.
"""

from __future__ import annotations

from typing import Any

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.operands import exact_inputs, scalar, whole_numbers
from mltoolkit.converters.neural_network.registry import converts


@converts("cumSum")
def cumulative_sum(context: LayerContext, layer: Any) -> None:
    """The sum of the elements up to each one along an axis, which a second input may name."""
    params = layer.cumSum
    value, *given = exact_inputs(context, 1, 2)
    axis = (
        whole_numbers(context, scalar(context, given[0]))
        if given
        else context.builder.constant(context.axis(value, int(params.axis)))
    )
    attributes = {"exclusive": int(params.excludeFinalSum), "reverse": int(params.reverse)}
    context.output(context.builder.op("CumSum", value, axis, attributes=attributes))
