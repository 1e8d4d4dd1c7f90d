"""Branches: one of two networks runs.

Source: NeuralNetwork.proto, message BranchLayerParams. Blobs that both networks make, or that existed
before, live on (Apple's validator, NeuralNetworkLayerValidator.cpp).
"""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from mltoolkit.converters.neural_network.alternatives import either
from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.layers import convert_layers, unconverted
from mltoolkit.converters.neural_network.operands import exact_inputs, scalar
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import shape_of
from mltoolkit.graph.folding import known_truth
from mltoolkit.graph.model_graph import GraphLayer

# "Execute this graph if the absolute value of the input Tensor is greater than 1e-6."
_TRUE_FROM = 1e-6


def is_true(context: LayerContext, value: ir.Value) -> ir.Value:
    """Whether a blob is not 0, as a bool scalar.

    The format says nothing of blobs with several elements, yet Apple's own tests branch on one: the first counts here.
    """
    builder = context.builder
    if any(isinstance(size, int) and size > 1 for size in shape_of(value)):
        flat = builder.op("Reshape", value, builder.constant([-1]))
        value = builder.op("Slice", flat, *(builder.constant([limit]) for limit in (0, 1, 0)))
    return builder.op("Greater", builder.op("Abs", scalar(context, value)), builder.constant(_TRUE_FROM))


@converts("branch")
def branch(context: LayerContext, layer: Any) -> None:
    """``ifBranch`` where the input is not 0, else ``elseBranch``, which may be empty."""
    params = layer.branch
    (value,) = exact_inputs(context, 1)
    if not params.ifBranch.layers:
        raise InvalidModelError("the layer's ifBranch is empty", where=context.where)
    ways = (params.ifBranch.layers, params.elseBranch.layers)
    converted: list[list[GraphLayer]] = [unconverted(way) for way in ways]

    def convert(index: int) -> None:
        converted[index] = convert_layers(context, ways[index])

    predicate = is_true(context, value)
    known = known_truth(predicate)
    if known is None:
        either(context, predicate, lambda: convert(0), lambda: convert(1), inside=[*ways[0], *ways[1]])
    else:
        convert(0 if known else 1)
    context.nested = [*converted[0], *converted[1]]
