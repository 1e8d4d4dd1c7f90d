"""LSTMs that are spelt out step by step: products W x + b of all steps, and a Scan that adds R y to them.

``converters/neural_network/lstm_cell.py`` makes them where ONNX's LSTM lacks an option. What matters here is only that
the state y is multiplied with R and the product added to the step's input, whatever the body does with the sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.calibration.constants import constant_shape
from mltoolkit.calibration.readers import input_array, stop_of
from mltoolkit.graph.captured import bodies
from mltoolkit.runtime.sections import SectionedRun

Array = NDArray[Any]

# The Scan's inputs y, c and the products of all steps; its outputs y, c and the y of all steps.
_Y, _SCANNED, _OUTPUTS = 0, 2, 2
_GATES = 4


@dataclass(frozen=True)
class ScannedLstm:
    """The parts of such an LSTM.

    Attributes:
        projection: the MatMul with W (inputs, gates · H) in front of the Scan, its second input.
        recursion: the MatMul with R (H, gates · H) in the Scan's body, its second input.
        scanned: which input of the Scan the products are.
        backward: whether the Scan begins with the last step.
        gates: how many blocks of columns W and R have.
    """

    projection: ir.Node
    recursion: ir.Node
    scanned: int
    backward: bool
    gates: int


@dataclass(frozen=True)
class ScannedState:
    """Takes the state that R meets at each step, (S, B, H).

    Attributes:
        backward: whether the Scan begins with the last step.
    """

    backward: bool

    def read(self, run: SectionedRun, sample: int) -> tuple[Array, ...]:
        """See :class:`~mltoolkit.calibration.readers.Reader`."""
        assert stop_of(run).op_type == "Scan"
        outputs = run.node_outputs(sample)[_OUTPUTS]
        first = input_array(run, sample, _Y)
        assert first is not None
        first = first[None]
        return (np.concatenate([outputs[1:], first] if self.backward else [first, outputs[:-1]]),)


def read_scanned(node: ir.Node) -> ScannedLstm | None:
    """The LSTM that a Scan is; None where it is something else."""
    (body,) = bodies(node)
    if len(node.inputs) != 3 or len(node.outputs) != 3 or len(body.outputs) != 3:
        return None
    recursion = _only_user(body.inputs[_Y], "MatMul", 0)
    into_gates = _only_user(recursion.outputs[0], "Add") if recursion is not None else None
    total = node.inputs[_SCANNED]
    add = total.producer() if total is not None else None
    if recursion is None or into_gates is None or add is None or add.op_type != "Add" or add.graph is not node.graph:
        return None
    projection = next((value.producer() for value in add.inputs if value is not None and value.producer()), None)
    shapes = [constant_shape(one, 1) if one is not None else None for one in (projection, recursion)]
    w, r = shapes
    bias = constant_shape(add, 1) or constant_shape(add, 0)
    every = body.outputs[_OUTPUTS].producer()
    if (
        projection is None
        or projection.op_type != "MatMul"
        or len(projection.outputs[0].uses()) != 1
        or len(add.outputs[0].uses()) != 1
        or w is None
        or r is None
        or len(w) != 2
        or r != (r[1] // _GATES, w[1])
        or bias != (w[1],)
        or body.inputs[_SCANNED] not in into_gates.inputs
        or every is None
        or every.op_type != "Identity"
        or every.inputs[0] is not body.outputs[_Y]
    ):
        return None
    directions = node.attributes.get_ints("scan_input_directions", [0]) or [0]
    return ScannedLstm(projection, recursion, _SCANNED, bool(directions[0]), _GATES)


def _only_user(value: ir.Value, op_type: str, place: int | None = None) -> ir.Node | None:
    """The only node that reads a value, if it is of that kind and reads it as that input."""
    uses = list(value.uses())
    if len(uses) != 1 or uses[0].node.op_type != op_type or place not in (None, uses[0].idx):
        return None
    return uses[0].node
