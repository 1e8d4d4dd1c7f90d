"""GRU and RNN.

    z = f(W_z x + b_z + R_z h + c_z)    h̃ = g(W_h x + b_h + R_h (r ∘ h) + c_h), or with linear_before_reset
    r = f(W_r x + b_r + R_r h + c_r)    h̃ = g(W_h x + b_h + r ∘ (R_h h + c_h))      h' = (1 − z) ∘ h̃ + z ∘ h

ONNX stores the gates as z, r, h, MIL as r, o (= h), z. The second form came to MIL with iOS 18.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mltoolkit.converters.mil.recurrent import (
    Sequences,
    clipped,
    each_direction,
    gate_blocks,
    initial_state,
    outputs_of,
    part,
    projected,
    projection,
    read_sequences,
    run_steps,
    split_gates,
)
from mltoolkit.converters.mil.recurrent_activations import Activation, clip_matters, read_activations
from mltoolkit.converters.mil.registry import writes

if TYPE_CHECKING:
    from mltoolkit.converters.mil.context import NodeContext

_IOS18 = 9


@writes("GRU", "RNN")
def write_gru(node: NodeContext) -> Any:
    """Y and Y_h."""
    sequences = read_sequences(node)
    defaults = ("Sigmoid", "Tanh") if node.op_type == "GRU" else ("Tanh",)
    activations = read_activations(node, defaults, len(sequences.ways))
    states = initial_state(node, 5, sequences)
    steps = _gru_steps if node.op_type == "GRU" else _rnn_steps

    def run(x: Any, number: int) -> list[Any]:
        names = [activation.native(node.is_network) for activation in activations[number]]
        if None not in names and _is_native(node, sequences, activations[number]):
            return _native(node, x, states[number], number, [name or "" for name in names])
        return steps(node, sequences, x, states[number], number, activations[number])

    return outputs_of(node, sequences, each_direction(node, sequences, run))


def _is_native(node: NodeContext, sequences: Sequences, activations: Sequence[Activation]) -> bool:
    """Whether MIL's own operation computes the same."""
    if any(node.constant(index) is None for index in (1, 2, 3) if node.has(index)):
        return False
    if sequences.lengths is not None or clip_matters(node, activations):
        return False
    return not node.attribute("linear_before_reset", 0) or node.opset >= _IOS18


def _native(node: NodeContext, x: Any, state: Any, number: int, names: list[str]) -> list[Any]:
    arrays = {"weight_ih": node.needed_constant(1, "W")[number], "weight_hh": node.needed_constant(2, "R")[number]}
    bias = node.constant(3)
    is_gru = node.op_type == "GRU"
    later = is_gru and bool(node.attribute("linear_before_reset", 0))
    if bias is not None:
        of_input, of_state = np.split(bias[number], 2)
        if later:
            arrays |= {"input_bias": of_input, "bias": of_state}
        else:
            arrays["bias"] = of_input + of_state
    weights: dict[str, Any] = {name: array.astype(np.float32) for name, array in arrays.items()}
    if is_gru:
        weights = {name: gate_blocks(array, "zrh", "rhz") for name, array in weights.items()}
    for index, name in ((1, "weight_ih"), (2, "weight_hh")):
        weights[name] = node.weight(index, weights[name])
    if not is_gru:
        return list(node.mb.rnn(x=x, initial_h=state, output_sequence=True, activation=names[0], **weights))
    options = {"reset_after": True} if later else {}
    gate, output = names
    return list(
        node.mb.gru(
            x=x,
            initial_h=state,
            output_sequence=True,
            recurrent_activation=gate,
            activation=output,
            **weights,
            **options,
        )
    )


def _given_inputs(node: NodeContext, x: Any, number: int) -> tuple[Any, Any, Any]:
    """W x + b (S, B, gates · H), R, and c or None."""
    inputs = projected(node, x, part(node, node.input(1), number))
    recursion = part(node, node.input(2), number)
    if not node.has(3):
        return inputs, recursion, None
    bias = part(node, node.input(3), number)
    of_input, of_state = np.split(bias, 2) if isinstance(bias, np.ndarray) else split_gates(node, bias, 2)
    return node.mb.add(x=inputs, y=of_input), recursion, of_state


def _rows(node: NodeContext, x: Any, first: int, end: int) -> Any:
    """Some rows of a matrix or elements of a vector."""
    if isinstance(x, np.ndarray):
        return np.ascontiguousarray(x[first:end])
    masks = [False, True][: x.rank]
    return node.mb.slice_by_index(
        x=x, begin=[first, 0][: x.rank], end=[end, 0][: x.rank], begin_mask=masks, end_mask=masks
    )


def _gru_steps(
    node: NodeContext, sequences: Sequences, x: Any, state: Any, number: int, activations: Sequence[Activation]
) -> list[Any]:
    mb, features = node.mb, sequences.features
    gate, output = activations
    inputs, recursion, bias = _given_inputs(node, x, number)
    later = bool(node.attribute("linear_before_reset", 0))
    # Of the state: both gates and, where it is reset afterwards, the candidate.
    first = (3 if later else 2) * features
    of_state = projection(node, 2, *_part_of(node, recursion, bias, 0, first))
    of_reset = None if later else projection(node, 2, *_part_of(node, recursion, bias, first, 3 * features))

    def halves(values: Any) -> list[Any]:
        return list(mb.split(x=values, split_sizes=[2 * features, features], axis=-1))

    def step(given: Any, states: Sequence[Any]) -> Sequence[Any]:
        (hidden,) = states
        to_gates, to_candidate = halves(given)
        from_state = of_state(hidden)
        recalled = None
        if later:
            from_state, recalled = halves(from_state)
        z, r = split_gates(node, gate.emit(node, clipped(node, mb.add(x=to_gates, y=from_state))), 2)
        recalled = mb.mul(x=r, y=recalled) if of_reset is None else of_reset(mb.mul(x=r, y=hidden))
        candidate = output.emit(node, clipped(node, mb.add(x=to_candidate, y=recalled)))
        renewed = mb.mul(x=mb.sub(x=np.float32(1), y=z), y=candidate)
        return (mb.add(x=renewed, y=mb.mul(x=z, y=hidden)),)

    return run_steps(node, inputs, sequences, [state], step)


def _part_of(node: NodeContext, recursion: Any, bias: Any, first: int, end: int) -> tuple[Any, Any]:
    """Some gates of R and c."""
    return _rows(node, recursion, first, end), None if bias is None else _rows(node, bias, first, end)


def _rnn_steps(
    node: NodeContext, sequences: Sequences, x: Any, state: Any, number: int, activations: Sequence[Activation]
) -> list[Any]:
    inputs, recursion, bias = _given_inputs(node, x, number)
    of_state = projection(node, 2, recursion, bias)

    def step(given: Any, states: Sequence[Any]) -> Sequence[Any]:
        summed = node.mb.add(x=given, y=of_state(states[0]))
        return (activations[0].emit(node, clipped(node, summed)),)

    return run_steps(node, inputs, sequences, [state], step)
