"""LSTM.

    i = f(W_i x + R_i h + p_i ∘ c + b_i)     z  = g(W_c x + R_c h + b_c)
    o = f(W_o x + R_o h + p_o ∘ c' + b_o)    c' = r ∘ c + i ∘ z
    r = f(W_f x + R_f h + p_f ∘ c + b_f)     h' = o ∘ k(c')

ONNX stores the gates as i, o, f, c (peepholes i, o, f), MIL as i, f, o, c. MIL's ``clip`` limits the cell, ONNX's what
goes into the activations.
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


@writes("LSTM")
def write_lstm(node: NodeContext) -> Any:
    """Y, Y_h and Y_c."""
    sequences = read_sequences(node)
    activations = read_activations(node, ("Sigmoid", "Tanh", "Tanh"), len(sequences.ways))
    states = list(zip(initial_state(node, 5, sequences), initial_state(node, 6, sequences), strict=True))
    names = [_native_names(node, of_way) for of_way in activations]
    constant = all(node.constant(index) is not None for index in (1, 2, 3, 7) if node.has(index))
    plain = sequences.lengths is None and not any(clip_matters(node, of_way) for of_way in activations)
    plain = plain and not node.attribute("input_forget", 0)
    if constant and plain and None not in names and all(name == names[0] for name in names):
        assert names[0] is not None
        return outputs_of(node, sequences, _native(node, sequences, states, names[0]))

    def run(x: Any, number: int) -> list[Any]:
        return _steps(node, sequences, x, states[number], number, activations[number])

    return outputs_of(node, sequences, each_direction(node, sequences, run))


def _native_names(node: NodeContext, activations: Sequence[Activation]) -> dict[str, str] | None:
    names = [activation.native(node.is_network) for activation in activations]
    inputs = ("recurrent_activation", "cell_activation", "activation")
    found = {name: value for name, value in zip(inputs, names, strict=True) if value is not None}
    return found if len(found) == len(inputs) else None


def _native(
    node: NodeContext, sequences: Sequences, states: list[tuple[Any, Any]], names: dict[str, str]
) -> list[list[Any]]:
    """MIL's own operation."""
    both = len(sequences.ways) == 2
    weights = _weights(node, 0, "") | (_weights(node, 1, "_back") if both else {})
    hidden, cell = (
        node.mb.concat(values=of_ways, axis=1) if both else of_ways[0] for of_ways in zip(*states, strict=True)
    )

    def run(x: Any, _number: int = 0) -> Sequence[Any]:
        direction = "bidirectional" if both else "forward"
        given = {"x": x, "initial_h": hidden, "initial_c": cell, "direction": direction, "output_sequence": True}
        outputs: Sequence[Any] = node.mb.lstm(**given, **weights, **names)
        return outputs

    if not both:
        return each_direction(node, sequences, run)
    halves = [node.mb.split(x=output, num_splits=2, axis=-1) for output in run(sequences.x)]
    return [[half[number] for half in halves] for number in range(2)]


def _weights(node: NodeContext, number: int, suffix: str) -> dict[str, Any]:
    """The weights of one direction in MIL's order of gates."""
    arrays = {"weight_ih": node.needed_constant(1, "W")[number], "weight_hh": node.needed_constant(2, "R")[number]}
    bias = node.constant(3)
    if bias is not None:
        of_input, of_state = np.split(bias[number], 2)
        arrays["bias"] = of_input + of_state
    ordered: dict[str, Any] = {
        name: gate_blocks(array.astype(np.float32), "iofc", "ifoc") for name, array in arrays.items()
    }
    for index, name in ((1, "weight_ih"), (2, "weight_hh")):
        ordered[name] = node.weight(index, ordered[name])
    peepholes = node.constant(7)
    if peepholes is not None:
        ordered["peephole"] = gate_blocks(peepholes[number].astype(np.float32), "iof", "ifo")
    return {f"{name}{suffix}": array for name, array in ordered.items()}


def _steps(
    node: NodeContext,
    sequences: Sequences,
    x: Any,
    states: tuple[Any, Any],
    number: int,
    activations: Sequence[Activation],
) -> list[Any]:
    """One direction as single steps."""
    mb = node.mb
    gate, cell_input, output = activations
    coupled = bool(node.attribute("input_forget", 0))
    inputs = projected(node, x, part(node, node.input(1), number))
    recalled = projection(node, 2, part(node, node.input(2), number))
    if node.has(3):
        bias = part(node, node.input(3), number)
        of_input, of_state = np.split(bias, 2) if isinstance(bias, np.ndarray) else split_gates(node, bias, 2)
        inputs = mb.add(x=mb.add(x=inputs, y=of_input), y=of_state)
    peepholes: list[Any] = []
    if node.has(7):
        given = part(node, node.input(7), number)
        peepholes = list(np.split(given, 3)) if isinstance(given, np.ndarray) else split_gates(node, given, 3)

    def step(given: Any, states: Sequence[Any]) -> Sequence[Any]:
        hidden, cell = states
        gates = mb.add(x=given, y=recalled(hidden))
        to_i, to_o, to_f, to_c = split_gates(node, gates, 4)
        if peepholes:
            to_i = mb.add(x=to_i, y=mb.mul(x=cell, y=peepholes[0]))
            to_f = mb.add(x=to_f, y=mb.mul(x=cell, y=peepholes[2]))
        i = gate.emit(node, clipped(node, to_i))
        f = mb.sub(x=np.float32(1), y=i) if coupled else gate.emit(node, clipped(node, to_f))
        kept = mb.mul(x=f, y=cell)
        cell = mb.add(x=kept, y=mb.mul(x=i, y=cell_input.emit(node, clipped(node, to_c))))
        if peepholes:
            to_o = mb.add(x=to_o, y=mb.mul(x=cell, y=peepholes[1]))
        o = gate.emit(node, clipped(node, to_o))
        return mb.mul(x=o, y=output.emit(node, cell)), cell

    return run_steps(node, inputs, sequences, states, step)
