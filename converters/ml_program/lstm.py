"""Long short-term memory.

    i = f(W_i x + R_i h + p_i ∘ c + b_i)     z  = g(W_z x + R_z h + b_z)
    r = f(W_r x + R_r h + p_r ∘ c + b_r)     c' = limit(c ∘ r + i ∘ z)
    o = f(W_o x + R_o h + p_o ∘ c' + b_o)    h' = k(c') ∘ o

with f ``recurrent_activation``, g ``cell_activation``, k ``activation`` and ``limit`` to ±``clip``. The gates
are stored in the order i, r, o, z (peepholes i, r, o); ONNX has i, o, r, z. ONNX's LSTM runs every operation
whose cell cannot come to its limit, a Scan the others.
"""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.parameters import choice, flag, real_number
from mltoolkit.converters.ml_program.recurrent import (
    activation,
    bias,
    in_gate_order,
    in_reading_order,
    initial_state,
    matrix_sizes,
    weights,
)
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.converters.neural_network.lstm_cell import LstmCell
from mltoolkit.converters.neural_network.recurrent_activations import operator_attributes
from mltoolkit.errors import InvalidModelError

# (outputs of all steps (S, B, D · H), last outputs, last cells: (D, B, H))
_Results = tuple[ir.Value, ir.Value, ir.Value]


@converts("lstm")
def convert_lstm(context: MilContext) -> None:
    """Outputs (S, B, D · H), or the last (1, B, D · H), and the last h and c (B, D · H) of D directions."""
    way = choice(context, "direction", ("forward", "reverse", "bidirectional"), "forward")
    cells = [_read_cell(context, "")]
    if way == "bidirectional":
        cells.append(_read_cell(context, "_back"))
        if cells[0].weights.shape != cells[1].weights.shape:
            raise InvalidModelError("the two directions have different sizes", where=context.where)
    x = in_reading_order(context, way == "reverse")
    states = [initial_state(context, name, len(cells), cells[0].features) for name in ("initial_h", "initial_c")]
    run = _run_steps if _may_reach_limit(context, cells, x) else _run_fused
    outputs, last, last_cells = run(context, cells, x, states)
    last, last_cells = (_side_by_side(context, value, cells) for value in (last, last_cells))
    if flag(context, "output_sequence", False):
        context.output(outputs)
    else:
        context.output(context.op("Unsqueeze", last, context.constant([0])))
    context.output(last, 1)
    context.output(last_cells, 2)


def _read_cell(context: MilContext, suffix: str) -> LstmCell:
    input_name, state_name, peephole = f"weight_ih{suffix}", f"weight_hh{suffix}", f"peephole{suffix}"
    inputs, features = matrix_sizes(context, 4, input_name, state_name)
    limit = real_number(context, "clip") if context.has("clip") else math.inf
    if not limit > 0:
        raise InvalidModelError(f"clip is {limit}; it must be positive", where=context.where)
    peepholes = None
    if context.has(peephole):
        peepholes = in_gate_order(weights(context, peephole, (3 * features,)), "iro", "ior")
        if not peepholes.any():
            peepholes = None
    return LstmCell(
        in_gate_order(weights(context, input_name, (4 * features, inputs)), "iroz", "iorz"),
        in_gate_order(weights(context, state_name, (4 * features, features)), "iroz", "iorz"),
        in_gate_order(bias(context, f"bias{suffix}", 4 * features), "iroz", "iorz"),
        peepholes,
        (
            activation(context, "recurrent_activation", "sigmoid"),
            activation(context, "cell_activation", "tanh"),
            activation(context, "activation", "tanh"),
        ),
        coupled=False,
        limit=limit,
        input_clip=math.inf,
    )


def _may_reach_limit(context: MilContext, cells: list[LstmCell], x: ir.Value) -> bool:
    if math.isinf(cells[0].limit):
        return False
    if cells[0].activations[1].operator in ("Affine", "Relu"):
        return True
    first = context.const("initial_c") if context.is_const("initial_c") else None
    from_zeros = first is not None and not np.any(first)
    steps = context.shape(x)[0]
    if not isinstance(steps, int):
        return True
    return any(cell.may_reach_limit(steps, has_state=not from_zeros) for cell in cells)


def _run_fused(context: MilContext, cells: list[LstmCell], x: ir.Value, states: list[ir.Value]) -> _Results:
    """One ONNX LSTM for all directions."""
    features, directions = cells[0].features, len(cells)
    attributes = operator_attributes([activation for cell in cells for activation in cell.activations])
    attributes["hidden_size"] = features
    attributes["direction"] = "bidirectional" if directions == 2 else "forward"
    peepholes = None
    if any(cell.peepholes is not None for cell in cells):
        none = np.zeros(3 * features, dtype=np.float32)
        stacked = [none if cell.peepholes is None else cell.peepholes for cell in cells]
        peepholes = context.constant(np.stack(stacked), "peephole")
    # ONNX adds a bias of the recursion to that of the input.
    biases = np.stack([np.concatenate([cell.bias, np.zeros_like(cell.bias)]) for cell in cells])
    outputs, last, last_cells = context.builder.ops(
        "LSTM",
        x,
        context.constant(np.stack([cell.weights for cell in cells]), "weight_ih"),
        context.constant(np.stack([cell.recursion for cell in cells]), "weight_hh"),
        context.constant(biases, "bias"),
        None,
        *states,
        peepholes,
        attributes=attributes,
        names=["", "", ""],
    )
    # (S, D, B, H)
    if directions == 1:
        return context.op("Squeeze", outputs, context.constant([1])), last, last_cells
    by_step = context.op("Transpose", outputs, perm=[0, 2, 1, 3])
    joined = context.op("Reshape", by_step, context.constant([0, 0, directions * features]))
    return joined, last, last_cells


def _run_steps(context: MilContext, cells: list[LstmCell], x: ir.Value, states: list[ir.Value]) -> _Results:
    """One Scan for each direction."""
    builder, every, last, last_cells = context.builder, [], [], []
    axis = context.constant([0])
    for number, cell in enumerate(cells):
        first, second = (context.op("Gather", state, context.constant(number), axis=0) for state in states)
        outputs, output, last_cell = cell.emit_steps(builder, x, (first, second), backward=number == 1)
        every.append(outputs)
        last.append(context.op("Unsqueeze", output, axis))
        last_cells.append(context.op("Unsqueeze", last_cell, axis))
    if len(cells) == 1:
        return every[0], last[0], last_cells[0]
    return (
        context.op("Concat", *every, axis=2),
        context.op("Concat", *last, axis=0),
        context.op("Concat", *last_cells, axis=0),
    )


def _side_by_side(context: MilContext, value: ir.Value, cells: list[LstmCell]) -> ir.Value:
    """(D, B, H) as (B, D · H)."""
    if len(cells) == 1:
        return context.op("Squeeze", value, context.constant([0]))
    by_batch = context.op("Transpose", value, perm=[1, 0, 2])
    return context.op("Reshape", by_batch, context.constant([0, len(cells) * cells[0].features]))
