"""The matrices of LSTM, GRU and RNN nodes: W meets the input of a step, R the output of the step before.

A position is one step of one sequence. Whatever the node computes of them, W x and R h are plain products, and a gate's
rows see the same inputs as the other gates' — but for the last gate of a GRU, whose R meets r ∘ h where the reset gate
r acts before the product (``linear_before_reset`` 0).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.calibration.biases import GateBias
from mltoolkit.calibration.constants import Index, constant_at, constant_shape, floats_at
from mltoolkit.calibration.readers import input_array, stop_of
from mltoolkit.calibration.statistics import Columns
from mltoolkit.runtime.sections import SectionedRun

Array = NDArray[Any]
_Indices = NDArray[np.intp]

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
# The inputs X, W, R, B, …, initial_h of all three operators.
_X, _W, _R, BIAS, INITIAL = 0, 1, 2, 3, 5
_RESET_GATE = 1
# f(x) of the reset gate, with ONNX's default alpha and beta.
_RESET_FUNCTIONS: dict[str, Callable[[Array, float, float], Array]] = {
    "Sigmoid": lambda x, alpha, beta: 0.5 * (1 + np.tanh(0.5 * x)),
    "HardSigmoid": lambda x, alpha, beta: np.clip(alpha * x + beta, 0, 1),
}


@dataclass(frozen=True)
class StepMatrix:
    """Rows of W or R of one direction, (gates · H, K); arrays are (…, K), a vector for each step and sequence.

    Attributes:
        shape: of the rows.
        arrays: how many arrays of vectors there are: each block of rows meets its own where it is not one.
    """

    shape: tuple[int, int]
    arrays: int = 1

    @property
    def groups(self) -> int:
        """Products side by side: one for each array."""
        return self.arrays

    @property
    def inputs(self) -> int:
        """K."""
        return self.shape[1]

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """One number for each row."""
        return (self.shape[0],)

    def matrix(self, weights: Array) -> Array:
        """(groups, rows / groups, K)."""
        return weights.reshape(self.groups, -1, self.inputs)

    def weights(self, matrix: Array) -> Array:
        """The inverse of :meth:`matrix`."""
        return matrix.reshape(self.shape)

    def positions(self, arrays: Sequence[Array]) -> int:
        """Steps times sequences."""
        return arrays[0].size // self.inputs

    def columns(self, arrays: Sequence[Array], chosen: _Indices) -> Columns:
        """The vectors at the chosen positions, (groups, K, positions)."""
        return np.stack([array.reshape(-1, self.inputs)[chosen].T for array in arrays])


@dataclass(frozen=True)
class StateReader:
    """The state h that R meets at each step, (S, B, H).

    Attributes:
        direction: 0, or 1 for the second half of a bidirectional node.
        gates: for each array wanted, whether it is multiplied by the reset gate of a GRU.
    """

    direction: int
    gates: tuple[bool, ...] = (False,)

    def read(self, run: SectionedRun, sample: int) -> tuple[Array, ...]:
        """See :class:`~mltoolkit.calibration.readers.Reader`."""
        node = stop_of(run)
        backward = _runs_backward(node, self.direction)
        outputs = run.node_outputs(sample)[0][:, self.direction]
        initial = input_array(run, sample, INITIAL)
        first = np.zeros_like(outputs[:1]) if initial is None else initial[self.direction][None]
        state = np.concatenate([outputs[1:], first] if backward else [first, outputs[:-1]])
        if not any(self.gates):
            return (state,) * len(self.gates)
        x = input_array(run, sample, _X)
        assert x is not None
        reset = state * _reset_gate(node, self.direction, x, state)
        return tuple(reset if gated else state for gated in self.gates)


def _reset_gate(node: ir.Node, direction: int, x: Array, state: Array) -> Array:
    """r = f(W_r x + R_r h + b_r) for all steps, (S, B, H)."""
    size = state.shape[-1]
    rows = slice(_RESET_GATE * size, (_RESET_GATE + 1) * size)
    w, r = (floats_at(node, place)[direction, rows] for place in (_W, _R))
    total: Array = x @ w.T + state @ r.T
    if constant_at(node, BIAS) is not None:
        both = floats_at(node, BIAS)[direction]
        total = total + both[rows] + both[3 * size :][rows]
    name, alpha, beta = reset_function(node, direction)
    result: Array = _RESET_FUNCTIONS[name](total, alpha, beta).astype(np.float32)
    return result


def reset_function(node: ir.Node, direction: int) -> tuple[str, float, float]:
    """The activation of a GRU's gates, with its parameters."""
    names = [str(name) for name in node.attributes.get_strings("activations", []) or []]
    alphas, betas = (list(node.attributes.get_floats(f"activation_{name}", []) or []) for name in ("alpha", "beta"))
    place = 2 * direction
    name = names[place] if place < len(names) else "Sigmoid"
    alpha = float(alphas[place]) if place < len(alphas) else 0.2
    return name, alpha, float(betas[place]) if place < len(betas) else 0.5


def knows_reset(node: ir.Node, direction: int) -> bool:
    """Whether :class:`StateReader` can compute a GRU's reset gate."""
    return reset_function(node, direction)[0] in _RESET_FUNCTIONS


def gate_bias(node: ir.Node, place: int, part: Index) -> GateBias:
    """The bias that is added to what a part of W or R gives."""
    shape = constant_shape(node, place)
    assert shape is not None
    directions, rows, _ = shape
    direction, *own = part
    assert isinstance(direction, int)
    start, stop, _ = (own[0] if own and isinstance(own[0], slice) else slice(None)).indices(rows)
    first = rows if place == _R else 0
    return GateBias(BIAS, (direction, slice(first + start, first + stop)), (directions, 2 * rows))


def resets_before(node: ir.Node) -> bool:
    """Whether the node is a GRU whose last gate's R meets r ∘ h."""
    return node.op_type == "GRU" and not node.attributes.get_int("linear_before_reset", 0)


def _runs_backward(node: ir.Node, direction: int) -> bool:
    return direction == 1 or node.attributes.get_string("direction", "forward") == "reverse"
