"""Recurrent layers: LSTM, GRU, SimpleRNN, RNN of any cell, ConvLSTM*."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.keras.context import LayerContext, tensors_in
from mltoolkit.converters.keras.keras_module import keras_class
from mltoolkit.converters.keras.recurrent_cells import has_operator, run_cell
from mltoolkit.converters.keras.registry import converts
from mltoolkit.converters.keras.tensors import Mask, Tensor
from mltoolkit.graph.builder import shape_of

# A cell without an operator of ONNX, and one with a mask, is written out for each step.
_MOST_STEPS = 256


@dataclass(frozen=True)
class Sequences:
    """What a recurrent layer computes.

    Attributes:
        outputs: for each step in the order in which they are computed, as Keras returns them: (N, T, …).
        last: the output of the last step.
        states: the last states.
    """

    outputs: Tensor
    last: Tensor
    states: list[Tensor]


@converts("LSTM", "GRU", "SimpleRNN", "RNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", masks=True)
def convert_recurrent(context: LayerContext) -> list[Tensor]:
    """A sequence (N, T, …); all outputs or the last one, and the states if they are asked for."""
    layer = context.source
    x = context.tensor()
    states = tensors_in(context.argument("initial_state"))
    given = context.argument("mask")
    mask = Mask(context.layouts.logical(given)) if isinstance(given, Tensor) else x.mask
    result = run_layer(context, layer, x, states, mask)
    kept = Tensor(result.outputs.value, result.outputs.moved, mask) if mask else result.outputs
    output = kept if layer.return_sequences else result.last
    return [output, *result.states] if layer.return_state else [output]


def run_layer(context: LayerContext, layer: Any, x: Tensor, states: Sequence[Tensor], mask: Mask | None) -> Sequences:
    """Run a recurrent layer of Keras on a sequence.

    Args:
        context: the layer that is converted; ``layer`` itself or a wrapper.
        layer: a recurrent layer.
        x: (N, T, …).
        states: what it starts from; none: zeros.
        mask: which steps count, (N, T).
    """
    if layer.stateful:
        context.refuse(
            "it keeps its state between predictions", "initial_state and return_state, as inputs and outputs"
        )
    if mask is not None and mask.value is None:
        context.refuse("how the mask of its input is made is not known")
    if mask is not None or not has_operator(layer.cell):
        return _unrolled(context, layer, x, list(states), mask.value if mask else None)
    steps = context.op("Transpose", context.layouts.logical(x), perm=[1, 0, 2])
    starts = [context.layouts.logical(state) for state in states] or None
    outputs, ends = run_cell(context, layer.cell, steps, starts, backwards=bool(layer.go_backwards))
    finals = [Tensor(value) for value in ends]
    sequence = context.op("Transpose", outputs, perm=[1, 0, 2])
    if layer.go_backwards:
        sequence = reversed_steps(context, sequence)
    return Sequences(Tensor(sequence), finals[0], finals)


def reversed_steps(context: LayerContext, sequence: ir.Value) -> ir.Value:
    """(N, T, …) with the last step first."""
    bounds = [context.constant([value]) for value in (-1, -(1 << 31), 1, -1)]
    return context.op("Slice", sequence, *bounds)


def _unrolled(context: LayerContext, layer: Any, x: Tensor, states: list[Tensor], mask: ir.Value | None) -> Sequences:
    """Every step written out; a step that does not count repeats the output and the states before it."""
    value = context.layouts.logical(x)
    count = shape_of(value)[1]
    if not isinstance(count, int) or count > _MOST_STEPS:
        what = "masks" if mask is not None else f"the cell {type(layer.cell).__name__}"
        context.refuse(
            f"{what} would have to be written out for each of its {count} steps",
            f"an input of at most {_MOST_STEPS} steps, or LSTM, GRU or SimpleRNN without mask and with the default "
            "activations",
        )
    if not states:
        states = _zero_states(context, layer, value)
    outputs: list[Tensor] = []
    before: Tensor | None = None
    for step in range(count - 1, -1, -1) if layer.go_backwards else range(count):
        here = Tensor(context.op("Gather", value, context.constant(step), axis=1))
        output, new_states = _one_step(context, layer.cell, here, states)
        if mask is not None:
            counts = context.op("Gather", mask, context.constant(step), axis=1)
            new_states = [_chosen(context, counts, new, old) for new, old in zip(new_states, states, strict=True)]
            if before is None or layer.zero_output_for_mask:
                before = Tensor(context.constant(np.zeros(1, np.float32)))
            output = _chosen(context, counts, output, before)
            before = output
        outputs.append(output)
        states = new_states
    axis = context.constant([1])
    stacked = [context.op("Unsqueeze", context.layouts.logical(output), axis) for output in outputs]
    return Sequences(Tensor(context.op("Concat", *stacked, axis=1)), outputs[-1], states)


def _one_step(context: LayerContext, cell: Any, x: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """The output and the new states of a cell."""
    kind = keras_class(cell)
    if kind is not None and kind.__name__ == "StackedRNNCells":
        ends: list[Tensor] = []
        for inner in cell.cells:
            count = len(inner.state_size) if isinstance(inner.state_size, (list, tuple)) else 1
            own, states = states[:count], states[count:]
            x, new_states = _one_step(context, inner, x, own)
            ends += new_states
        return x, ends
    if has_operator(cell):
        sequence = context.op("Unsqueeze", x.value, context.constant([0]))
        outputs, values = run_cell(context, cell, sequence, [state.value for state in states])
        return Tensor(context.op("Squeeze", outputs, context.constant([0]))), [Tensor(value) for value in values]
    output, *new_states = context.apply(cell, x, list(states))
    return output, new_states


def _chosen(context: LayerContext, counts: ir.Value, new: Tensor, old: Tensor) -> Tensor:
    """The new value for samples (N,) whose step counts, else the old one."""
    shape = context.constant([-1] + [1] * (new.rank - 1))
    condition = context.op("Reshape", counts, shape)
    return Tensor(context.op("Where", condition, context.layouts.logical(new), context.layouts.logical(old)))


def _zero_states(context: LayerContext, layer: Any, value: ir.Value) -> list[Tensor]:
    batch = shape_of(value)[0]
    if not isinstance(batch, int):
        context.refuse("the batch is only known when the model runs", "batch_size=1")
    states = layer.get_initial_state(batch_size=batch)
    arrays = [context.array(state) for state in context.walk.keras.tree.flatten(states)]
    return [Tensor(context.constant(array)) for array in arrays]
