"""Elements chosen by a condition, and where a blob is not 0.

Source: NeuralNetwork.proto, messages WhereBroadcastableLayerParams and WhereNonZeroLayerParams.
"""

from __future__ import annotations

from typing import Any

from mltoolkit.converters.neural_network.comparison import truth
from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.operands import blob, exact_inputs
from mltoolkit.converters.neural_network.registry import converts


@converts("whereBroadcastable")
def where_broadcastable(context: LayerContext, layer: Any) -> None:
    """The second input where the first is not 0, else the third; shapes broadcast as in NumPy."""
    condition, chosen, other = exact_inputs(context, 3)
    context.output(context.builder.op("Where", truth(context, condition), chosen, other))


@converts("whereNonZero")
def where_non_zero(context: LayerContext, layer: Any) -> None:
    """The indices of all elements but 0, one a row: (count, rank of the input)."""
    indices = context.builder.op("NonZero", context.input())
    rows = context.builder.op("Transpose", indices, attributes={"perm": [1, 0]})
    context.output(blob(context, rows))
