"""Gated recurrent unit.

Source: NeuralNetwork.proto, message GRULayerParams:

    z = f(W_z x + R_z y + b_z)          r = f(W_r x + R_r y + b_r)
    o = g(W_o x + R_o (y ∘ r) + b_o)    y' = (1 − z) ∘ o + z ∘ y

The reset gate acts on y before the recursion matrix: ONNX's GRU with ``linear_before_reset`` 0, gates in the
order update, reset, output.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.recurrent_activations import activation_attributes, read_activations
from mltoolkit.converters.neural_network.recurrent_gates import check_blobs, output_single, stack_gates
from mltoolkit.converters.neural_network.recurrent_layout import read_sequence
from mltoolkit.converters.neural_network.registry import converts

_GATES = ("updateGate", "resetGate", "outputGate")


@converts("gru")
def convert_gru(context: LayerContext, layer: Any) -> None:
    """Inputs x and perhaps the state y; outputs y (of every step or of the last) and perhaps the state."""
    params = layer.gru
    check_blobs(context, inputs=(1, 2), outputs=(1, 2))
    features = params.outputVectorSize
    sequence = read_sequence(context, params.inputVectorSize, features, reverse=params.reverseInput)
    activations = read_activations(context, "activations", params.activations, 2)
    recursion = stack_gates(context, params, _GATES, "RecursionMatrix", (features, features))
    weights = stack_gates(context, params, _GATES, "WeightMatrix", (features, params.inputVectorSize))
    bias = np.zeros(6 * features, dtype=np.float32)
    if params.hasBiasVectors:
        bias[: 3 * features] = stack_gates(context, params, _GATES, "BiasVector", (features,))
    output_single(
        sequence,
        "GRU",
        [
            context.weight_constant(weights[np.newaxis], "WeightMatrix"),
            context.weight_constant(recursion[np.newaxis], "RecursionMatrix"),
            context.weight_constant(bias[np.newaxis], "BiasVector"),
        ],
        activation_attributes(activations) | {"linear_before_reset": 0},
        features=features,
        whole_sequence=params.sequenceOutput,
    )
