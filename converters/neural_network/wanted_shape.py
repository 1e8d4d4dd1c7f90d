"""The shape that a layer shall make: of three layer types each, …Like, …Static and …Dynamic.

…Like takes the shape of its last input, …Static has it in a field, …Dynamic takes it from the values of its
last input, a blob of rank 1.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.generated import check_generated
from mltoolkit.converters.neural_network.operands import exact_inputs, shape_like, shape_vector
from mltoolkit.converters.neural_network.sizes import check_elements, stated_size
from mltoolkit.errors import InvalidModelError


def wanted_shape(context: LayerContext, field: str, before: int = 0) -> ir.Value:
    """The shape as an int64 vector, a constant where it is known beforehand.

    Args:
        context: the layer's context.
        field: where a …Static layer states it.
        before: how many inputs the layer has besides.

    Raises:
        InvalidModelError: the layer has another number of inputs, or no blob can have the shape.
    """
    kind = context.layer.WhichOneof("layer")
    if kind.endswith("Static"):
        exact_inputs(context, before)
        return context.builder.constant(np.array(_stated_shape(context, field), dtype=np.int64))
    source = exact_inputs(context, before + 1)[before]
    return shape_like(context, source) if kind.endswith("Like") else shape_vector(context, source)


def _stated_shape(context: LayerContext, field: str) -> list[int]:
    sizes = [stated_size(context, field, size) for size in getattr(context.params, field)]
    if not sizes:
        raise InvalidModelError(f"{field} is empty", where=context.where)
    check_elements(context, sizes)
    return sizes


def fill(context: LayerContext, shape: ir.Value, value: float) -> ir.Value:
    """A float32 tensor of one value.

    Raises:
        InvalidModelError: the shape is known and too large.
    """
    if shape.const_value is not None:
        check_generated(context.where, shape.const_value.numpy().tolist())
    tensor = ir.tensor(np.array([value], dtype=np.float32))
    return context.builder.op("ConstantOfShape", shape, attributes={"value": tensor})
