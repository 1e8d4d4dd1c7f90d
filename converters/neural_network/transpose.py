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
    """Output axis i is input axis ``axes[i]``; the rank stays.

    Axes of size 1 in front of those that are named stay there: coremltools' ``make_image_input`` names three
    axes of an image, whose blob is (1, C, H, W), and Apple's test of it passes on a Mac.
    """
    value = context.input()
    shape = shape_of(value)
    axes = [int(axis) for axis in layer.transpose.axes]
    front = len(shape) - len(axes)
    named = sorted(axes) == list(range(len(axes))) and axes
    if not named or front < 0 or any(size != 1 for size in shape[:front]):
        raise InvalidModelError(
            f"the axes {axes} are no permutation of those of a blob of shape {shape}", where=context.where
        )
    perm = [*range(front), *(axis + front for axis in axes)]
    context.output(context.builder.op("Transpose", value, attributes={"perm": perm}))
