"""Reduce layer: one value for each channel, image or row.

Source: NeuralNetwork.proto, message ReduceLayerParams.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.neural_network.context import CHANNEL, HEIGHT, WIDTH, LayerContext
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.errors import InvalidModelError

# ReduceLayerParams.ReduceOperation
_LOGSUM, _ARGMAX = 3, 9
_OPERATORS = {
    0: "ReduceSum",
    1: "ReduceMean",
    2: "ReduceProd",
    _LOGSUM: "ReduceSum",
    4: "ReduceSumSquare",
    5: "ReduceL1",
    6: "ReduceL2",
    7: "ReduceMax",
    8: "ReduceMin",
    _ARGMAX: "ArgMax",
}
# ReduceLayerParams.ReduceAxis
_AXES = {0: (CHANNEL, HEIGHT, WIDTH), 1: (HEIGHT, WIDTH), 2: (CHANNEL,), 3: (HEIGHT,), 4: (WIDTH,)}
# "Used if mode is LOGSUM. Defaults to 1e-6 if not set or is set to 0."
_DEFAULT_EPSILON = 1e-6


@converts("reduce")
def convert_reduce(context: LayerContext, layer: Any) -> None:
    """Sum, mean, product, sum of logarithms or squares, norm, extremum or its index; axes keep size 1."""
    params = layer.reduce
    builder = context.builder
    operator, axes = _OPERATORS.get(params.mode), _AXES.get(params.axis)
    if operator is None or axes is None:
        raise InvalidModelError(
            f"the reduction has the unknown mode {params.mode} or axis {params.axis}", where=context.where
        )
    value = context.input()
    positions = [context.axis(value, axis) for axis in axes]
    if params.mode == _ARGMAX:
        if len(positions) != 1:
            raise InvalidModelError("ARGMAX needs one of the axes C, H and W", where=context.where)
        index = builder.op("ArgMax", value, attributes={"axis": positions[0], "keepdims": 1})
        context.output(builder.op("Cast", index, attributes={"to": ir.DataType.FLOAT}))
        return
    if params.mode == _LOGSUM:
        epsilon = builder.constant(np.asarray(params.epsilon or _DEFAULT_EPSILON, dtype=np.float32))
        value = builder.op("Log", builder.op("Add", value, epsilon))
    context.output(builder.op(operator, value, builder.constant(positions), attributes={"keepdims": 1}))
