"""LSTM layers, in one direction and in two.

Source: NeuralNetwork.proto, messages LSTMParams, LSTMWeightParams, UniDirectionalLSTMLayerParams and
BiDirectionalLSTMLayerParams; the formulas stand in lstm_cell.py. ONNX's LSTM runs every layer whose cell
cannot come to its limit, a Scan the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.lstm_cell import LstmCell
from mltoolkit.converters.neural_network.recurrent_activations import (
    RecurrentActivation,
    activation_attributes,
    read_activations,
)
from mltoolkit.converters.neural_network.recurrent_gates import check_blobs, stack_gates
from mltoolkit.converters.neural_network.recurrent_layout import SequenceInput, read_sequence
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.errors import InvalidModelError

# ONNX's order i, o, f, c; the peepholes are i, o, f.
_GATES = ("inputGate", "outputGate", "forgetGate", "blockInput")
_FORGET = 2
# "If 0, it is set to its default value = 50.0."
_DEFAULT_LIMIT = 50.0


@dataclass(frozen=True)
class _Result:
    """Outputs (S, B, D · H), the last output (B, D · H), and y and c of each of the D directions (B, H)."""

    outputs: ir.Value
    last: ir.Value
    states: list[ir.Value]


@converts("uniDirectionalLSTM")
def convert_unidirectional(context: LayerContext, layer: Any) -> None:
    """Inputs x, or x, y, c; outputs y (of every step or of the last), perhaps the last y and c."""
    params = layer.uniDirectionalLSTM
    check_blobs(context, inputs=(1, 3), outputs=(1, 2, 3))
    sequence = read_sequence(context, params.inputVectorSize, params.outputVectorSize, reverse=params.reverseInput)
    activations = read_activations(context, "activations", params.activations, 3)
    cell = _read_cell(context, params, params.weightParams, activations, "weightParams.")
    _convert(sequence, [cell], params.params.sequenceOutput)


@converts("biDirectionalLSTM")
def convert_bidirectional(context: LayerContext, layer: Any) -> None:
    """Inputs x, or x, y, c, y_rev, c_rev; outputs the forward and backward y joined, perhaps the states."""
    params = layer.biDirectionalLSTM
    check_blobs(context, inputs=(1, 5), outputs=(1, 2, 3, 4, 5))
    if len(params.weightParams) != 2:
        raise InvalidModelError(
            f"weightParams has {len(params.weightParams)} entries where 2, forward and backward, are needed",
            where=context.where,
        )
    sequence = read_sequence(context, params.inputVectorSize, params.outputVectorSize)
    forward = read_activations(context, "activationsForwardLSTM", params.activationsForwardLSTM, 3)
    backward = read_activations(context, "activationsBackwardLSTM", params.activationsBackwardLSTM, 3)
    cells = [
        _read_cell(context, params, params.weightParams[0], forward, "weightParams[0]."),
        _read_cell(context, params, params.weightParams[1], backward, "weightParams[1]."),
    ]
    _convert(sequence, cells, params.params.sequenceOutput)


def _read_cell(
    context: LayerContext, params: Any, weights: Any, activations: Sequence[RecurrentActivation], owner: str
) -> LstmCell:
    options, features = params.params, params.outputVectorSize
    limit = options.cellClipThreshold or _DEFAULT_LIMIT
    if not limit > 0:
        raise InvalidModelError(f"cellClipThreshold is {limit}", where=context.where)
    # The recursion matrices come first: their stored size proves that the vector size is a real one.
    recursion = stack_gates(context, weights, _GATES, "RecursionMatrix", (features, features), owner)
    matrix = stack_gates(context, weights, _GATES, "WeightMatrix", (features, params.inputVectorSize), owner)
    bias = np.zeros(4 * features, dtype=np.float32)
    if options.hasBiasVectors:
        bias = stack_gates(context, weights, _GATES, "BiasVector", (features,), owner)
    if options.forgetBias:
        bias[_FORGET * features : (_FORGET + 1) * features] += 1
    peepholes = None
    if options.hasPeepholeVectors:
        peepholes = stack_gates(context, weights, _GATES[:3], "PeepholeVector", (features,), owner)
    return LstmCell(
        matrix, recursion, bias, peepholes, tuple(activations), bool(options.coupledInputAndForgetGate), limit
    )


def _convert(sequence: SequenceInput, cells: list[LstmCell], whole_sequence: bool) -> None:
    context = sequence.context
    features = cells[0].features
    states = None
    if len(context.layer.input) > 1:
        states = [sequence.state(1 + index, features) for index in range(2 * len(cells))]
    limited = any(cell.may_reach_limit(sequence.steps, has_state=states is not None) for cell in cells)
    run = _run_steps if limited else _run_fused
    result = run(sequence, cells, states)
    width = features * len(cells)
    if whole_sequence:
        context.output(sequence.sequence_blob(result.outputs, width))
    else:
        context.output(sequence.last_blob(result.last, width))
    for index in range(1, len(context.layer.output)):
        context.output(sequence.last_blob(result.states[index - 1], features), index)


def _run_fused(sequence: SequenceInput, cells: list[LstmCell], states: list[ir.Value] | None) -> _Result:
    """One ONNX LSTM for all directions."""
    context, builder = sequence.context, sequence.context.builder
    features, directions = cells[0].features, len(cells)
    attributes = activation_attributes([activation for cell in cells for activation in cell.activations])
    attributes["hidden_size"] = features
    attributes["input_forget"] = int(cells[0].coupled)
    attributes["direction"] = "bidirectional" if directions == 2 else "forward"
    outputs_first = cells_first = peepholes = None
    if states is not None:
        outputs_first = _join(context, states[0::2])
        cells_first = _join(context, states[1::2])
    if cells[0].peepholes is not None:
        stacked = np.stack([cell.peepholes for cell in cells if cell.peepholes is not None])
        peepholes = context.weight_constant(stacked, "PeepholeVector")
    # ONNX adds a bias of the recursion to that of the input.
    biases = np.stack([np.concatenate([cell.bias, np.zeros_like(cell.bias)]) for cell in cells])
    outputs, last, last_cells = builder.ops(
        "LSTM",
        sequence.vectors,
        context.weight_constant(np.stack([cell.weights for cell in cells]), "WeightMatrix"),
        context.weight_constant(np.stack([cell.recursion for cell in cells]), "RecursionMatrix"),
        context.weight_constant(biases, "BiasVector"),
        None,
        outputs_first,
        cells_first,
        peepholes,
        attributes=attributes,
        names=["", "", ""],
    )
    if directions == 1:
        # (S, 1, B, H) and (1, B, H) hold their elements in the wanted order already.
        return _Result(outputs, last, [last, last_cells])
    last_per_direction = builder.ops("Split", last, builder.constant([1, 1]), attributes={"axis": 0}, names=["", ""])
    cell_per_direction = builder.ops(
        "Split", last_cells, builder.constant([1, 1]), attributes={"axis": 0}, names=["", ""]
    )
    pairs = zip(last_per_direction, cell_per_direction, strict=True)
    return _Result(
        builder.op("Transpose", outputs, attributes={"perm": [0, 2, 1, 3]}),
        builder.op("Transpose", last, attributes={"perm": [1, 0, 2]}),
        [state for pair in pairs for state in pair],
    )


def _run_steps(sequence: SequenceInput, cells: list[LstmCell], states: list[ir.Value] | None) -> _Result:
    """One Scan for each direction."""
    builder, features = sequence.context.builder, cells[0].features
    shape = (sequence.batch, features)
    zeros = builder.constant(np.zeros(shape, dtype=np.float32))
    outputs, last_states = [], []
    for number, cell in enumerate(cells):
        state = (zeros, zeros)
        if states is not None:
            first, second = states[2 * number : 2 * number + 2]
            target = builder.constant(list(shape))
            state = (builder.op("Reshape", first, target), builder.op("Reshape", second, target))
        every, output, last_cell = cell.emit_steps(builder, sequence.vectors, state, backward=number == 1)
        outputs.append(every)
        last_states += [output, last_cell]
    if len(cells) == 1:
        return _Result(outputs[0], last_states[0], last_states)
    return _Result(
        builder.op("Concat", *outputs, attributes={"axis": 2}),
        builder.op("Concat", *last_states[0::2], attributes={"axis": 1}),
        last_states,
    )


def _join(context: LayerContext, values: list[ir.Value]) -> ir.Value:
    return values[0] if len(values) == 1 else context.builder.op("Concat", *values, attributes={"axis": 0})
