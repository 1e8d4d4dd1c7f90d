"""One direction of an LSTM layer: weights, options, and the step-by-step form for what ONNX's LSTM lacks.

Source: NeuralNetwork.proto, message LSTMParams (peepholes p are 0 without hasPeepholeVectors):

    i = f(clip(W_i x + R_i y + p_i ∘ c + b_i))     z  = g(clip(W_z x + R_z y + b_z))
    r = f(clip(W_f x + R_f y + p_f ∘ c + b_f))     c' = limit(c ∘ r + i ∘ z)
    o = f(clip(W_o x + R_o y + p_o ∘ c' + b_o))    y' = h(c') ∘ o

and with coupled gates r = 1 − i.

clip() keeps what enters a gate within ±50, as onnxruntime's LSTM does with its attribute ``clip``. ``limit``
keeps the cell within ±cellClipThreshold; ONNX has no such thing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.converters.neural_network.recurrent_activations import INPUT_CLIP, RecurrentActivation
from mltoolkit.graph.builder import GraphBuilder, shape_of

# A cell this many full steps away from its limit is taken not to reach it. Only layers with state inputs,
# whose first cell value is unknown, depend on the figure: coremltools' builder stores the limit 50,000 unless
# told otherwise.
_OUT_OF_REACH = 10_000


@dataclass(frozen=True)
class LstmCell:
    """An LSTM of one direction; gates are stacked in ONNX's order input, output, forget, block input.

    Attributes:
        weights: (4 · H, I).
        recursion: (4 · H, H).
        bias: (4 · H,).
        peepholes: (3 · H,), for input, output and forget gate; None without.
        activations: f, g, h.
        coupled: the forget gate is 1 minus the input gate.
        limit: cellClipThreshold.
        input_clip: clip() keeps what enters a gate within ±input_clip; infinity for cells without it.
    """

    weights: NDArray[np.float32]
    recursion: NDArray[np.float32]
    bias: NDArray[np.float32]
    peepholes: NDArray[np.float32] | None
    activations: tuple[RecurrentActivation, ...]
    coupled: bool
    limit: float
    input_clip: float = INPUT_CLIP

    @property
    def features(self) -> int:
        """H."""
        return int(self.recursion.shape[1])

    def may_reach_limit(self, steps: int, has_state: bool) -> bool:
        """Whether the cell can come to its limit within that many steps, from zeros or from a given state."""
        gate, block_input, _ = self.activations
        if not gate.is_gate:
            return True
        # |c'| ≤ |c| + |z|, and with coupled gates |c'| ≤ max(|c|, |z|).
        if has_state:
            return self.limit < _OUT_OF_REACH * block_input.bound
        return self.limit < block_input.bound * (1 if self.coupled else steps)

    def emit_steps(
        self, builder: GraphBuilder, vectors: ir.Value, state: tuple[ir.Value, ir.Value], *, backward: bool
    ) -> tuple[ir.Value, ir.Value, ir.Value]:
        """The layer as an ONNX Scan over elementary operations, exact in every option.

        Args:
            builder: the graph.
            vectors: (S, B, I).
            state: y and c before the first step, each (B, H).
            backward: begin with the last vector; outputs keep the order of the vectors.

        Returns:
            The outputs of all steps (S, B, H), and y and c after the last step, each (B, H).
        """
        projected = builder.op("MatMul", vectors, builder.constant(np.ascontiguousarray(self.weights.T)))
        projected = builder.op("Add", projected, builder.constant(self.bias))
        output, cell, outputs = builder.ops(
            "Scan",
            *state,
            projected,
            attributes={
                "body": self._step(builder.subgraph("lstm_step"), projected, state),
                "num_scan_inputs": 1,
                "scan_input_directions": [int(backward)],
                "scan_output_directions": [int(backward)],
            },
            names=["", "", ""],
        )
        return outputs, output, cell

    def _step(self, builder: GraphBuilder, projected: ir.Value, state: tuple[ir.Value, ir.Value]) -> ir.Graph:
        """The body of the Scan: (y, c, W x + b) → (y', c', y')."""
        output = builder.input("y", np.float32, shape_of(state[0]))
        cell = builder.input("c", np.float32, shape_of(state[1]))
        step = builder.input("x", np.float32, shape_of(projected)[1:])
        f, g, h = self.activations
        recursion = builder.constant(np.ascontiguousarray(self.recursion.T))
        gates = builder.op("Add", step, builder.op("MatMul", output, recursion))
        sizes = builder.constant([self.features] * 4)
        into_i, into_o, into_r, into_z = builder.ops("Split", gates, sizes, attributes={"axis": 1}, names=[""] * 4)
        peepholes = None
        if self.peepholes is not None:
            peepholes = [builder.constant(part) for part in np.split(self.peepholes, 3)]
            into_i = _peep(builder, into_i, peepholes[0], cell)
            into_r = _peep(builder, into_r, peepholes[2], cell)
        i = f.emit(builder, _clip(builder, into_i, self.input_clip))
        z = g.emit(builder, _clip(builder, into_z, self.input_clip))
        if self.coupled:
            r = builder.op("Sub", builder.constant(np.ones((), dtype=np.float32)), i)
        else:
            r = f.emit(builder, _clip(builder, into_r, self.input_clip))
        new_cell = builder.op("Add", builder.op("Mul", cell, r), builder.op("Mul", i, z))
        new_cell = _clip(builder, new_cell, self.limit)
        if peepholes is not None:
            into_o = _peep(builder, into_o, peepholes[1], new_cell)
        o = f.emit(builder, _clip(builder, into_o, self.input_clip))
        new_output = builder.op("Mul", h.emit(builder, new_cell), o)
        return builder.body([new_output, new_cell, new_output])


def _peep(builder: GraphBuilder, gate: ir.Value, weights: ir.Value, cell: ir.Value) -> ir.Value:
    return builder.op("Add", gate, builder.op("Mul", weights, cell))


def _clip(builder: GraphBuilder, value: ir.Value, limit: float) -> ir.Value:
    if math.isinf(limit):
        return value
    low, high = (builder.constant(np.asarray(bound, dtype=np.float32)) for bound in (-limit, limit))
    return builder.op("Clip", value, low, high)
