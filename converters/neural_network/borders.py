"""Amounts at the four edges of an image (NeuralNetwork.proto, message BorderAmounts)."""

from __future__ import annotations

from typing import Any

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.sizes import stated_size
from mltoolkit.errors import InvalidModelError

AXES = ("height", "width")

Borders = tuple[tuple[int, int], tuple[int, int]]


def read_borders(context: LayerContext, field: str, message: Any) -> Borders:
    """((top, bottom), (left, right)) of a ``BorderAmounts`` message; zeros where it is empty.

    Raises:
        InvalidModelError: there are neither none nor two pairs, or an amount is beyond reason.
    """
    amounts = message.borderAmounts
    if not len(amounts):
        return (0, 0), (0, 0)
    if len(amounts) != 2:
        raise InvalidModelError(f"{field} has {len(amounts)} entries where 2, [H, W], are needed", where=context.where)
    height, width = (
        (
            stated_size(context, f"{field}.startEdgeSize", amount.startEdgeSize, minimum=0),
            stated_size(context, f"{field}.endEdgeSize", amount.endEdgeSize, minimum=0),
        )
        for amount in amounts
    )
    return height, width
