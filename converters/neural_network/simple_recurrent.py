"""Simple recurrent layer: y_t = f(clip(W x_t + R y_{t−1} + b)).

Source: NeuralNetwork.proto, message SimpleRecurrentLayerParams. ONNX's RNN is the same, ``clip`` included.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.recurrent_activations import activation_attributes, read_activations
from mltoolkit.converters.neural_network.recurrent_gates import check_blobs, output_single
from mltoolkit.converters.neural_network.recurrent_layout import read_sequence
from mltoolkit.converters.neural_network.registry import converts


@converts("simpleRecurrent")
def convert_simple_recurrent(context: LayerContext, layer: Any) -> None:
    """Inputs x and perhaps the state y; outputs y (of every step or of the last) and perhaps the state."""
    params = layer.simpleRecurrent
    check_blobs(context, inputs=(1, 2), outputs=(1, 2))
    features = params.outputVectorSize
    sequence = read_sequence(context, params.inputVectorSize, features, reverse=params.reverseInput)
    activations = read_activations(context, "activation", [params.activation], 1)
    recursion = context.weight("recursionMatrix", (features, features))
    weights = context.weight("weightMatrix", (features, params.inputVectorSize))
    bias = np.zeros(2 * features, dtype=np.float32)
    if params.hasBiasVector:
        bias[:features] = context.weight("biasVector", (features,))
    output_single(
        sequence,
        "RNN",
        [
            context.weight_constant(weights[np.newaxis], "weightMatrix"),
            context.weight_constant(recursion[np.newaxis], "recursionMatrix"),
            context.weight_constant(bias[np.newaxis], "biasVector"),
        ],
        activation_attributes(activations),
        features=features,
        whole_sequence=params.sequenceOutput,
    )
