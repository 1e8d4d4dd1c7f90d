"""Constant scale and shift: Rescaling, Normalization, and the scale layers of keras.applications."""

from __future__ import annotations

import numpy as np

from mltoolkit.converters.keras.broadcasting import spread
from mltoolkit.converters.keras.context import LayerContext
from mltoolkit.converters.keras.elementwise import binary
from mltoolkit.converters.keras.registry import converts
from mltoolkit.converters.keras.tensors import Tensor
from mltoolkit.graph.builder import dtype_of


@converts("Rescaling")
def convert_rescaling(context: LayerContext) -> Tensor:
    """scale · x + offset; both may be given for each channel."""
    x = _floating(context, context.tensor())
    scale, offset = (np.asarray(value, np.float32) for value in (context.source.scale, context.source.offset))
    value = context.op("Mul", x.value, spread(context, scale, x)) if np.any(scale != 1) else x.value
    return Tensor(context.op("Add", value, spread(context, offset, x)) if np.any(offset) else value, x.moved)


@converts("Normalization")
def convert_normalization(context: LayerContext) -> Tensor:
    """(x − mean) / max(√variance, ε), or back."""
    layer, x = context.source, _floating(context, context.tensor())
    if layer.mean is None:
        context.refuse("it has no statistics yet", "a layer after adapt(), or with mean and variance given")
    mean = context.array(layer.mean)
    spreads = np.sqrt(context.array(layer.variance).astype(np.float64))
    deviation = np.maximum(spreads, context.walk.keras.config.epsilon()).astype(np.float32)
    if layer.invert:
        value = context.op("Mul", x.value, spread(context, deviation, x))
        return Tensor(context.op("Add", value, spread(context, mean, x)), x.moved)
    value = context.op("Sub", x.value, spread(context, mean, x))
    return Tensor(context.op("Div", value, spread(context, deviation, x)), x.moved)


def _floating(context: LayerContext, x: Tensor) -> Tensor:
    return x if dtype_of(x.value).kind == "f" else Tensor(context.op("Cast", x.value, to=1), x.moved)


@converts("LayerScale")
def convert_layer_scale(context: LayerContext) -> Tensor:
    """ConvNeXt's learnt factor of each channel."""
    x = context.tensor()
    return context.like_input(context.op("Mul", x.value, spread(context, context.needed_weight("gamma"), x)))


@converts("CustomScaleLayer")
def convert_custom_scale(context: LayerContext) -> Tensor:
    """Inception-ResNet's residual sum: x + scale · y."""
    x, y = context.tensor(0), context.tensor(1)
    scaled = Tensor(context.op("Mul", y.value, context.constant(float(context.source.scale))), y.moved)
    return binary(context, "Add", x, scaled)
