"""LSTM, GRU and simple recurrent cells as ONNX's recurrent operators.

Keras keeps gates side by side in the columns of its kernels: LSTM input, forget, cell, output; GRU update, reset, new.
ONNX stacks them as rows: input, output, forget, cell; update, reset, new.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.converters.keras.context import LayerContext
from mltoolkit.converters.keras.keras_module import keras_class
from mltoolkit.graph.builder import shape_of

Array = NDArray[np.float32]

# Operator and the place of each of its gates in Keras' order, by class of the cell.
_OPERATORS: dict[str, tuple[str, tuple[int, ...]]] = {
    "GRUCell": ("GRU", (0, 1, 2)),
    "LSTMCell": ("LSTM", (0, 3, 1, 2)),
    "SimpleRNNCell": ("RNN", (0,)),
}
# Function of Keras → ONNX's name and parameters of it.
_ACTIVATIONS: dict[str, tuple[Any, ...]] = {
    "elu": ("Elu", 1.0, None),
    "hard_sigmoid": ("HardSigmoid", 1 / 6, 0.5),
    "leaky_relu": ("LeakyRelu", 0.2, None),
    "linear": ("Affine", 1.0, 0.0),
    "relu": ("Relu", None, None),
    "sigmoid": ("Sigmoid", None, None),
    "softplus": ("Softplus", None, None),
    "softsign": ("Softsign", None, None),
    "tanh": ("Tanh", None, None),
}


def has_operator(cell: Any) -> bool:
    """Whether one of ONNX's operators computes what a cell of Keras does."""
    kind = keras_class(cell)
    if kind is None or kind.__name__ not in _OPERATORS:
        return False
    functions = _functions(cell)
    return all(_name(function) in _ACTIVATIONS for function in functions)


def _functions(cell: Any) -> list[Any]:
    """Activations in ONNX's order: of the gates, of the new content, for an LSTM also of the output."""
    first = [cell.recurrent_activation] if hasattr(cell, "recurrent_activation") else []
    count = 2 if hasattr(cell, "unit_forget_bias") else 1
    return first + [cell.activation] * count


def _name(function: Any) -> str:
    if function is None:
        return "linear"
    module = getattr(function, "__module__", "") or ""
    return function.__name__ if module.startswith("keras.src.activations") else ""


def run_cell(
    context: LayerContext,
    cell: Any,
    steps: ir.Value,
    states: Sequence[ir.Value] | None = None,
    *,
    backwards: bool = False,
) -> tuple[ir.Value, list[ir.Value]]:
    """Run a cell over a sequence.

    Args:
        context: the layer that has the cell.
        cell: an LSTMCell, GRUCell or SimpleRNNCell.
        steps: (T, N, channels).
        states: what the cell starts from, each (N, units); zeros when left out.
        backwards: begin at the last step.

    Returns:
        The outputs (T, N, units), each at the place of its step, and the last states (N, units).
    """
    kind = keras_class(cell)
    assert kind is not None
    operator, order = _OPERATORS[kind.__name__]
    units = int(cell.units)
    kernel, recurrent = context.array(cell.kernel), context.array(cell.recurrent_kernel)
    zero = context.constant([0])
    inputs: list[ir.Value | None] = [
        steps,
        context.constant(_stacked(kernel, units, order)[None]),
        context.constant(_stacked(recurrent, units, order)[None]),
        context.constant(_biases(context, cell, units, order)[None]),
    ]
    if states is not None:
        inputs += [None, *(context.op("Unsqueeze", state, zero) for state in states)]
    chosen = [_ACTIVATIONS[_name(function)] for function in _functions(cell)]
    attributes: dict[str, Any] = {
        "hidden_size": units,
        "direction": "reverse" if backwards else "forward",
        "activations": [name for name, _, _ in chosen],
    }
    for key, place in (("activation_alpha", 1), ("activation_beta", 2)):
        # Handed out in order to the functions that have such a parameter.
        values = [float(value) for value in (parameters[place] for parameters in chosen) if value is not None]
        if values:
            attributes[key] = values
    if operator == "GRU":
        attributes["linear_before_reset"] = int(bool(cell.reset_after))
    count = 3 if operator == "LSTM" else 2
    outputs = context.builder.ops(operator, *inputs, attributes=attributes, names=[""] * count)
    # (T, 1, N, units) and (1, N, units).
    sequence = context.op("Squeeze", outputs[0], context.constant([1]))
    return sequence, [context.op("Squeeze", value, zero) for value in outputs[1:]]


def _stacked(kernel: Array, units: int, order: Sequence[int]) -> Array:
    """Gates in the columns of a kernel as rows, in ONNX's order."""
    return np.concatenate([kernel[:, gate * units : (gate + 1) * units].T for gate in order])


def _biases(context: LayerContext, cell: Any, units: int, order: Sequence[int]) -> Array:
    """The biases of the input and those of the state, after each other."""
    count = units * len(order)
    given = np.zeros((1, count), np.float32) if cell.bias is None else context.array(cell.bias).reshape(-1, count)
    rows = [given[0], given[1] if len(given) == 2 else np.zeros(count, np.float32)]
    return np.concatenate([row[gate * units : (gate + 1) * units] for row in rows for gate in order])


def initial_states(context: LayerContext, cell: Any, steps: ir.Value) -> list[ir.Value]:
    """Zeros, each (N, units)."""
    batch = shape_of(steps)[1]
    if not isinstance(batch, int):
        context.refuse("the batch is only known when the model runs", "batch_size=1")
    sizes = cell.state_size if isinstance(cell.state_size, (list, tuple)) else [cell.state_size]
    return [context.constant(np.zeros((batch, int(size)), np.float32)) for size in sizes]
