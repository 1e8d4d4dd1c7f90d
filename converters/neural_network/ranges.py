"""Evenly spaced values, as NumPy's arange makes them: ⌈(end − start) / step⌉ of them, from start on.

Source: NeuralNetwork.proto, messages RangeStaticLayerParams and RangeDynamicLayerParams.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.generated import check_generated
from mltoolkit.converters.neural_network.operands import blob, exact_inputs, scalar
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.errors import InvalidModelError


@converts("rangeStatic")
def range_static(context: LayerContext, layer: Any) -> None:
    """A constant vector."""
    exact_inputs(context, 0)
    params = layer.rangeStatic
    start, end, step = (float(x) for x in (params.startValue, params.endValue, params.stepSizeValue))
    if not all(map(math.isfinite, (start, end, step))) or step == 0:
        raise InvalidModelError(
            f"a range from {start:g} to {end:g} in steps of {step:g} has no end", where=context.where
        )
    count = max(0, math.ceil((end - start) / step))
    check_generated(context.where, (count,))
    values = start + np.arange(count) * step
    context.output(context.weight_constant(values.astype(np.float32), "values"))


@converts("rangeDynamic")
def range_dynamic(context: LayerContext, layer: Any) -> None:
    """A vector from up to three inputs: end, start and step."""
    params = layer.rangeDynamic
    given = [_double(context, scalar(context, value)) for value in exact_inputs(context, 1, 2, 3)]
    stated = [np.array(params.startValue), np.array(params.stepSizeValue)]
    if len(given) < 3 and (params.stepSizeValue == 0 or not math.isfinite(params.stepSizeValue)):
        raise InvalidModelError(f"a range in steps of {params.stepSizeValue:g} has no end", where=context.where)
    end, start, step = given + [context.builder.constant(number) for number in stated[len(given) - 1 :]]
    builder = context.builder
    # In float64, in which the quotient of two float32 numbers is never rounded up to a whole number that it
    # does not reach; multiples of the step, since onnxruntime's Range adds it up.
    steps = builder.op("Ceil", builder.op("Div", builder.op("Sub", end, start), step))
    count = builder.op("Cast", steps, attributes={"to": ir.DataType.INT64})
    positions = builder.op("Range", builder.constant(0), count, builder.constant(1))
    values = builder.op("Add", builder.op("Mul", _double(context, positions), step), start)
    context.output(blob(context, values))


def _double(context: LayerContext, value: ir.Value) -> ir.Value:
    return context.builder.op("Cast", value, attributes={"to": ir.DataType.DOUBLE})
