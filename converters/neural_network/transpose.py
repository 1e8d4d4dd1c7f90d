"""Transposition of any axes.

Source: NeuralNetwork.proto, message TransposeLayerParams.
"""

from __future__ import annotations

from typing import Any

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import shape_of


@converts("transpose")
def transpose(context: LayerContext, layer: Any) -> None:
    """Output axis i is input axis ``axes[i]``; the rank stays."""
    value = context.input()
    axes = [int(axis) for axis in layer.transpose.axes]
    if sorted(axes) != list(range(len(shape_of(value)))):
        raise InvalidModelError(
            f"the axes {axes} are no permutation of those of a blob of shape {shape_of(value)}", where=context.where
        )
    context.output(context.builder.op("Transpose", value, attributes={"perm": axes}))
