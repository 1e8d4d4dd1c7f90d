"""What the recurrent operations share: activations, directions, weights, layers whose output is their state.

Source: coremltools, ``mil/ops/defs/iOS15/recurrent.py``. The activations' parameters, and the order of the
outputs of an operation with the direction ``reverse`` (that in which they are computed), stand nowhere but in
Apple's tests of these operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.parameters import choice, flag
from mltoolkit.converters.neural_network.recurrent_activations import RecurrentActivation
from mltoolkit.errors import InvalidModelError

_ACTIVATIONS = {
    "hard_sigmoid": RecurrentActivation("HardSigmoid", 0.2, 0.5),
    "linear": RecurrentActivation("Affine", 1.0, 0.0),
    "relu": RecurrentActivation("Relu"),
    "scaled_tanh": RecurrentActivation("ScaledTanh", 1.0, 1.0),
    "sigmoid": RecurrentActivation("Sigmoid"),
    "sigmoid_hard": RecurrentActivation("HardSigmoid", 0.2, 0.5),
    "tanh": RecurrentActivation("Tanh"),
}
_BEFORE_FIRST = -(1 << 31)


def activation(context: MilContext, name: str, default: str) -> RecurrentActivation:
    """The activation that an input names.

    Raises:
        InvalidModelError: there is no such activation.
    """
    return _ACTIVATIONS[choice(context, name, _ACTIVATIONS, default)]


def weights(context: MilContext, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A constant input of a known shape.

    Raises:
        InvalidModelError: it has another.
    """
    array = np.asarray(context.const(name))
    if array.shape != shape or array.dtype != np.float32:
        raise InvalidModelError(f"{name} has the shape {array.shape} where {shape} is needed", where=context.where)
    return array


def bias(context: MilContext, name: str, size: int) -> NDArray[np.float32]:
    """A constant vector; zeros where it is not given."""
    return weights(context, name, (size,)) if context.has(name) else np.zeros(size, dtype=np.float32)


def matrix_sizes(context: MilContext, gates: int, input_name: str, state_name: str) -> tuple[int, int]:
    """The sizes I of the input and H of the state, by the shapes (gates · H, I) and (gates · H, H).

    Raises:
        InvalidModelError: the input is no sequence of such vectors, or the matrices have other shapes.
    """
    x = context.value("x")
    shapes = [np.shape(context.const(name)) for name in (input_name, state_name)]
    if context.rank(x) != 3 or any(len(shape) != 2 for shape in shapes):
        raise InvalidModelError(
            f"an input of rank {context.rank(x)} and weights of shape {shapes} make no recurrent operation",
            where=context.where,
        )
    inputs, features = shapes[0][1], shapes[1][1]
    if not features or not inputs or context.shape(x)[2] not in (None, inputs):
        raise InvalidModelError(
            f"{input_name} has the shape {shapes[0]} but the input has {context.shape(x)}",
            where=context.where,
        )
    weights(context, input_name, (gates * features, inputs))
    weights(context, state_name, (gates * features, features))
    return inputs, features


def in_reading_order(context: MilContext, backward: bool) -> ir.Value:
    """The input x (S, B, I), reversed for a layer that begins with the last vector."""
    x = context.value("x")
    if not backward:
        return x
    steps = (context.constant([number]) for number in (-1, _BEFORE_FIRST, 0, -1))
    return context.op("Slice", x, *steps)


def initial_state(context: MilContext, name: str, directions: int, features: int) -> ir.Value:
    """An initial state (B, directions · H) as (directions, B, H).

    Raises:
        InvalidModelError: it has another shape.
    """
    state, batch = context.value(name), context.shape("x")[1]
    shape = context.shape(state)
    expected = (batch, directions * features)
    if len(shape) != 2 or any(
        isinstance(size, int) and isinstance(wanted, int) and size != wanted
        for size, wanted in zip(shape, expected, strict=True)
    ):
        raise InvalidModelError(f"{name} has the shape {shape} where {expected} is needed", where=context.where)
    if directions == 1:
        return context.op("Unsqueeze", state, context.constant([0]))
    parts = context.op("Reshape", state, context.constant([0, directions, features]))
    return context.op("Transpose", parts, perm=[1, 0, 2])


def output_single(
    context: MilContext,
    operator: str,
    matrices: Sequence[NDArray[np.float32]],
    features: int,
    attributes: dict[str, Any],
) -> None:
    """Emit an RNN or GRU, whose output is its only state, and set the operation's two outputs.

    Args:
        context: the operation.
        operator: the ONNX operator.
        matrices: its W, R and B without the axis of directions.
        features: H.
        attributes: its attributes, without ``hidden_size``.
    """
    backward = choice(context, "direction", ("forward", "reverse"), "forward") == "reverse"
    outputs, last = context.builder.ops(
        operator,
        in_reading_order(context, backward),
        *(context.constant(matrix[np.newaxis]) for matrix in matrices),
        None,
        initial_state(context, "initial_h", 1, features),
        attributes={**attributes, "hidden_size": features},
        names=["", ""],
    )
    whole = flag(context, "output_sequence", False)
    context.output(context.op("Squeeze", outputs, context.constant([1])) if whole else last)
    context.output(context.op("Squeeze", last, context.constant([0])), 1)


def in_gate_order(array: NDArray[np.float32], stored: Sequence[str], wanted: Sequence[str]) -> NDArray[np.float32]:
    """Blocks of rows in another order.

    >>> in_gate_order(np.array([1, 2, 3, 4]), "ab", "ba").tolist()
    [3, 4, 1, 2]
    """
    parts = dict(zip(stored, np.split(array, len(stored)), strict=True))
    return np.concatenate([parts[gate] for gate in wanted])
