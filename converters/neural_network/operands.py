"""How many inputs a layer may have, and inputs that stand for numbers, counts and shapes.

Every blob of a neural network is float32; ONNX wants int64 wherever an operation counts.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import shape_of


def exact_inputs(context: LayerContext, *counts: int) -> list[ir.Value]:
    """All inputs of a layer that must have one of these numbers of them.

    Raises:
        InvalidModelError: it has another number, or one of them is made by nothing.
    """
    given = len(context.layer.input)
    if given not in counts:
        raise InvalidModelError(
            f"the layer takes {' or '.join(map(str, counts))} inputs but has {given}", where=context.where
        )
    return context.inputs()


def whole_numbers(context: LayerContext, value: ir.Value) -> ir.Value:
    """A blob as int64, fractions cut off."""
    return context.builder.op("Cast", value, attributes={"to": ir.DataType.INT64})


def blob(context: LayerContext, value: ir.Value) -> ir.Value:
    """A value of any type as float32, which all blobs are."""
    return context.builder.op("Cast", value, attributes={"to": ir.DataType.FLOAT})


def scalar(context: LayerContext, value: ir.Value) -> ir.Value:
    """A blob with one element as a tensor of rank 0.

    Raises:
        InvalidModelError: it is known to have more elements, or none.
    """
    _check_single(context, value)
    return context.builder.op("Reshape", value, context.builder.constant(np.zeros(0, dtype=np.int64)))


def single(context: LayerContext, value: ir.Value) -> ir.Value:
    """A blob with one element as a tensor of shape (1,); see :func:`scalar`."""
    _check_single(context, value)
    return context.builder.op("Reshape", value, context.builder.constant([1]))


def _check_single(context: LayerContext, value: ir.Value) -> None:
    shape = shape_of(value)
    if any(isinstance(size, int) and size != 1 for size in shape):
        raise InvalidModelError(
            f"the layer takes a single number but gets a blob of shape {shape}", where=context.where
        )


def shape_vector(context: LayerContext, value: ir.Value) -> ir.Value:
    """A blob of rank 1 that holds a shape, as int64.

    Raises:
        InvalidModelError: its rank is another.
    """
    shape = shape_of(value)
    if len(shape) != 1:
        raise InvalidModelError(
            f"the layer takes a shape, which is a blob of rank 1, but gets one of shape {shape}",
            where=context.where,
        )
    return whole_numbers(context, value)


def shape_like(context: LayerContext, value: ir.Value) -> ir.Value:
    """The shape of a blob as int64: a constant where it is known, else found when the model runs."""
    shape = shape_of(value)
    known = [size for size in shape if isinstance(size, int)]
    if len(known) == len(shape):
        return context.builder.constant(np.array(known, dtype=np.int64))
    return context.builder.op("Shape", value)
