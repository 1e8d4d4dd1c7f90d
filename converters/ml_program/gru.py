"""Gated recurrent units and simple recurrent networks: ONNX's GRU and RNN.

    r = f(W_r x + b_r + R_r h + c_r)        z = f(W_z x + b_z + R_z h + c_z)
    o = g(W_o x + b_o + R_o (r ∘ h) + c_o)  h' = (1 − z) ∘ o + z ∘ h

with ``bias`` for c and, from iOS 18 on, ``input_bias`` for b; also from then on ``reset_after`` makes it
o = g(W_o x + b_o + r ∘ (R_o h + c_o)). The gates are stored in the order r, o, z; ONNX has z, r, o.
"""

from __future__ import annotations

import numpy as np

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.parameters import flag
from mltoolkit.converters.ml_program.recurrent import (
    activation,
    bias,
    in_gate_order,
    matrix_sizes,
    output_single,
    weights,
)
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.converters.neural_network.recurrent_activations import operator_attributes

_STORED, _ONNX = "roz", "zro"


@converts("gru")
def convert_gru(context: MilContext) -> None:
    """Outputs (S, B, H), or (1, B, H) for the last, and the last state (B, H)."""
    inputs, features = matrix_sizes(context, 3, "weight_ih", "weight_hh")
    matrices = [
        in_gate_order(weights(context, name, (3 * features, size)), _STORED, _ONNX)
        for name, size in (("weight_ih", inputs), ("weight_hh", features))
    ]
    biases = [in_gate_order(bias(context, name, 3 * features), _STORED, _ONNX) for name in ("input_bias", "bias")]
    gate = activation(context, "recurrent_activation", "sigmoid")
    attributes = operator_attributes([gate, activation(context, "activation", "tanh")])
    attributes["linear_before_reset"] = int(flag(context, "reset_after", False))
    output_single(context, "GRU", [*matrices, np.concatenate(biases)], features, attributes)


@converts("rnn")
def convert_rnn(context: MilContext) -> None:
    """h' = f(W x + R h + b)."""
    inputs, features = matrix_sizes(context, 1, "weight_ih", "weight_hh")
    matrices = [
        weights(context, "weight_ih", (features, inputs)),
        weights(context, "weight_hh", (features, features)),
        np.concatenate([bias(context, "bias", features), np.zeros(features, dtype=np.float32)]),
    ]
    attributes = operator_attributes([activation(context, "activation", "tanh")])
    output_single(context, "RNN", matrices, features, attributes)
