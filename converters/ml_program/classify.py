"""The operation that makes a program a classifier."""

from __future__ import annotations

import math

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.errors import InvalidModelError


@converts("classify")
def convert_classify(context: MilContext) -> None:
    """Keep the probabilities, in one dimension; the runtime pairs them with the labels."""
    labels = context.const("classes")
    value = context.value("probabilities")
    shape = context.static_shape(value)
    if math.prod(shape) != len(labels):
        raise InvalidModelError(
            f"the model has {len(labels)} class labels but its last layer gives {math.prod(shape)} values "
            f"(shape {shape})",
            where=context.where,
        )
    context.probabilities = context.op("Reshape", value, context.constant([len(labels)]))
    for index in range(len(context.operation.outputs)):
        context.output_bound(None, index)
