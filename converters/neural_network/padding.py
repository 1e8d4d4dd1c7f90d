"""Padding layer: a border of constants, reflections or copies around height and width.

Source: NeuralNetwork.proto, message PaddingLayerParams.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mltoolkit.converters.neural_network.borders import AXES, read_borders
from mltoolkit.converters.neural_network.context import HEIGHT, WIDTH, LayerContext
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.errors import InvalidModelError

_MODES = {"constant": "constant", "reflection": "reflect", "replication": "edge"}


@converts("padding")
def convert_padding(context: LayerContext, layer: Any) -> None:
    """(..., H, W) → (..., top + H + bottom, left + W + right)."""
    params = layer.padding
    kind = params.WhichOneof("PaddingType")
    if kind is None:
        raise InvalidModelError("the padding type is not set", where=context.where)
    value = context.input()
    borders = read_borders(context, "paddingAmounts", params.paddingAmounts)
    axes = [context.axis(value, HEIGHT), context.axis(value, WIDTH)]
    if kind == "reflection":
        for name, axis, amounts in zip(AXES, axes, borders, strict=True):
            size = context.shape(value)[axis]
            if isinstance(size, int) and max(amounts) >= size:
                raise InvalidModelError(
                    f"a {name} of {size} has no {max(amounts)} elements to reflect beside its border",
                    where=context.where,
                )
    if borders == ((0, 0), (0, 0)):
        context.output(value)
        return
    constant = context.builder.constant
    fill = constant(np.asarray(params.constant.value, dtype=np.float32)) if kind == "constant" else None
    # For all axes: onnxruntime's transpose optimizer does not look at Pad's input ``axes``.
    by_axis = dict(zip(axes, borders, strict=True))
    whole = [by_axis.get(axis, (0, 0)) for axis in range(len(context.shape(value)))]
    pads = constant([start for start, _ in whole] + [end for _, end in whole])
    context.output(context.builder.op("Pad", value, pads, fill, attributes={"mode": _MODES[kind]}))
