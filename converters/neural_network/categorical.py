"""Classes drawn at random by given probabilities.

Source: NeuralNetwork.proto, message CategoricalDistributionLayerParams. What the parameters do is not written
down; here the classes have the probabilities softmax(x / temperature) of logits x, and probabilities p stand
for the logits log(p + eps).
"""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from mltoolkit.converters.neural_network.activation import affine
from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.generated import check_generated
from mltoolkit.converters.neural_network.operands import blob, shape_like
from mltoolkit.converters.neural_network.random_numbers import uniform
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.converters.neural_network.sizes import stated_size
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import shape_of

# "eps: default value is 1e-10. temperature: default value is 1.0."
_DEFAULT_EPSILON, _DEFAULT_TEMPERATURE = 1e-10, 1.0


@converts("categoricalDistribution")
def categorical(context: LayerContext, layer: Any) -> None:
    """numSamples class indices for each vector in the last axis, (..., classes) → (..., numSamples)."""
    samples = stated_size(context, "numSamples", layer.categoricalDistribution.numSamples)
    builder = context.builder
    value = context.input()
    last = context.axis(value, -1)
    shape = shape_of(value)
    check_generated(context.where, (*shape, samples))
    sums = builder.op("CumSum", _probabilities(context, value, last), builder.constant(last))
    # A number in [0, 1) belongs to the class whose sum is the first above it. The last sum, 1 but for
    # rounding, is not asked.
    borders = builder.op("Slice", sums, *map(builder.constant, ([0], [-1], [last])))
    numbers = uniform(context, _sample_shape(context, value, last, samples), context.params.seed)
    above = builder.op(
        "GreaterOrEqual",
        builder.op("Unsqueeze", numbers, builder.constant([last + 1])),
        builder.op("Unsqueeze", borders, builder.constant([last])),
    )
    passed = builder.constant([last + 1])
    context.output(builder.op("ReduceSum", blob(context, above), passed, attributes={"keepdims": 0}))


def _probabilities(context: LayerContext, value: ir.Value, axis: int) -> ir.Value:
    params = context.params
    temperature = params.temperature or _DEFAULT_TEMPERATURE
    if not temperature > 0:
        raise InvalidModelError(f"the temperature {temperature:g} is not positive", where=context.where)
    if not params.isLogits:
        value = context.builder.op("Log", affine(context, value, 1, params.eps or _DEFAULT_EPSILON))
    return context.builder.op("Softmax", affine(context, value, 1 / temperature, 0), attributes={"axis": axis})


def _sample_shape(context: LayerContext, value: ir.Value, last: int, samples: int) -> ir.Value:
    builder = context.builder
    whole = shape_like(context, value)
    if whole.const_value is not None:
        return builder.constant([*whole.const_value.numpy().tolist()[:last], samples])
    leading = builder.op("Slice", whole, *map(builder.constant, ([0], [last], [0])))
    return builder.op("Concat", leading, builder.constant([samples]), attributes={"axis": 0})
