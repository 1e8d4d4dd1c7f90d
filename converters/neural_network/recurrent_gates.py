"""What the recurrent layers share: stacked gates, numbers of inputs and outputs, layers with one state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.recurrent_layout import SequenceInput
from mltoolkit.errors import InvalidModelError
from mltoolkit.formats.weights import read_weight


def stack_gates(
    context: LayerContext,
    holder: Any,
    gates: Sequence[str],
    suffix: str,
    shape: tuple[int, ...],
    owner: str = "",
) -> NDArray[np.float32]:
    """The weights of several gates, one below the other.

    Args:
        context: the layer's context.
        holder: the message that has the fields ``gate + suffix``.
        gates: the gates in ONNX's order.
        suffix: ``WeightMatrix``, ``RecursionMatrix``, ``BiasVector`` or ``PeepholeVector``.
        shape: the shape for each gate.
        owner: where the message lies in the layer's parameters, for errors.
    """
    weights = {gate: getattr(holder, gate + suffix) for gate in gates}
    context.note_storage(suffix, list(weights.values()), owner)
    return np.concatenate(
        [read_weight(weight, shape, f"{context.where}, {owner}{gate}{suffix}") for gate, weight in weights.items()]
    )


def check_blobs(context: LayerContext, inputs: Sequence[int], outputs: Sequence[int]) -> None:
    """Check how many inputs and outputs the layer has.

    Raises:
        InvalidModelError: it cannot have so many.
    """
    for name, blobs, allowed in (
        ("inputs", context.layer.input, inputs),
        ("outputs", context.layer.output, outputs),
    ):
        if len(blobs) not in allowed:
            raise InvalidModelError(
                f"the layer has {len(blobs)} {name} where it needs {' or '.join(map(str, allowed))}",
                where=context.where,
            )


def output_single(
    sequence: SequenceInput,
    operator: str,
    weights: Sequence[ir.Value],
    attributes: Mapping[str, Any],
    *,
    features: int,
    whole_sequence: bool,
) -> None:
    """Emit a one-directional RNN or GRU, whose output is its only state, and set the layer's outputs.

    Args:
        sequence: the layer's input.
        operator: RNN or GRU.
        weights: W, R and B of the ONNX operator.
        attributes: its activations.
        features: outputVectorSize.
        whole_sequence: give the outputs of all steps.
    """
    context = sequence.context
    state = sequence.state(1, features) if len(context.layer.input) > 1 else None
    outputs, last = context.builder.ops(
        operator,
        sequence.vectors,
        *weights,
        None,
        state,
        attributes={**attributes, "hidden_size": features},
        names=["", ""],
    )
    last_blob = sequence.last_blob(last, features)
    context.output(sequence.sequence_blob(outputs, features) if whole_sequence else last_blob)
    if len(context.layer.output) > 1:
        context.output(last_blob, 1)
