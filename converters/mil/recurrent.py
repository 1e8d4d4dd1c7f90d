"""What LSTM, GRU and RNN share: their sequences, directions and states, and steps one by one.

MIL's own recurrent operations take constant weights and some activations. All else is written as steps: unrolled where
the sequence is short and its length known, else as a loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mltoolkit.converters.mil.ordering import reversed_sequences
from mltoolkit.converters.mil.sizes import is_known, joined, size_of

if TYPE_CHECKING:
    from mltoolkit.converters.mil.context import NodeContext

# A longer sequence becomes a loop: unrolled, every step adds a dozen operations.
_MOST_UNROLLED = 16

# (inputs of a step (B, K), states) → new states, of which the first is the step's output.
Step = Callable[[Any, Sequence[Any]], Sequence[Any]]


@dataclass(frozen=True)
class Sequences:
    """A batch of sequences.

    Attributes:
        x: (S, B, I).
        steps: S.
        batch: B.
        lengths: the length of each sequence (B,), None where all have S.
        ways: whether each direction begins with the last vector.
        features: H.
        batch_first: whether the batch is the first axis of the node's inputs and outputs.
    """

    x: Any
    steps: Any
    batch: Any
    lengths: Any
    ways: tuple[bool, ...]
    features: int
    batch_first: bool


def read_sequences(node: NodeContext) -> Sequences:
    """The inputs X and sequence_lens, and the attributes that all three operators have."""
    x, batch_first = node.input(0), bool(node.attribute("layout", 0))
    if batch_first:
        x = node.mb.transpose(x=x, perm=[1, 0, 2])
    direction = node.attribute("direction", "forward")
    ways = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}.get(direction)
    if ways is None:
        node.refuse(f"there is no direction {direction!r}")
    features = node.attribute("hidden_size", None) or int(node.shape(2)[-1])
    steps, batch = size_of(node, x, 0), size_of(node, x, 1)
    lengths = None
    if node.has(4):
        known = node.constant(4)
        if known is None or not is_known(steps) or (known != steps).any():
            lengths = node.input(4)
    return Sequences(x, steps, batch, lengths, ways, int(features), batch_first)


def initial_state(node: NodeContext, index: int, sequences: Sequences) -> list[Any]:
    """An initial state of each direction, (B, H); zeros where it is not given."""
    if not node.has(index):
        zeros = filled(node, [sequences.batch, sequences.features])
        return [zeros] * len(sequences.ways)
    state = node.input(index)
    return [part(node, state, number, 1 if sequences.batch_first else 0) for number in range(len(sequences.ways))]


def filled(node: NodeContext, sizes: Sequence[Any]) -> Any:
    """Zeros."""
    if all(is_known(size) for size in sizes):
        return node.const(np.zeros(tuple(sizes), dtype=np.float32))
    return node.mb.fill(shape=joined(node, sizes), value=np.float32(0))


def part(node: NodeContext, x: Any, number: int, axis: int = 0) -> Any:
    """One slice of an axis, without it; an array of a constant."""
    if x.val is not None:
        return np.ascontiguousarray(np.take(x.val, number, axis=axis))
    begin, end = [0] * x.rank, [0] * x.rank
    begin[axis], end[axis] = number, number + 1
    masks = [other != axis for other in range(x.rank)]
    one = node.mb.slice_by_index(x=x, begin=begin, end=end, begin_mask=masks, end_mask=masks)
    return node.mb.squeeze(x=one, axes=[axis])


def reversed_steps(node: NodeContext, x: Any, sequences: Sequences) -> Any:
    """(S, B, …) with the steps of each sequence in reverse."""
    if sequences.lengths is None:
        return node.mb.reverse(x=x, axes=[0])
    return reversed_sequences(node, x, sequences.lengths, 0, 1)


def each_direction(
    node: NodeContext, sequences: Sequences, run: Callable[[Any, int], Sequence[Any]]
) -> list[list[Any]]:
    """What a function makes of each direction.

    Args:
        node: the node.
        sequences: the sequences.
        run: given the sequences (S, B, I) in the order of a direction, and its number, returns the first state after
            every step (S, B, H) and the last states (B, H).

    Returns:
        The same of each direction, steps in the order of the sequences.
    """
    results = []
    for number, backward in enumerate(sequences.ways):
        every, *last = run(reversed_steps(node, sequences.x, sequences) if backward else sequences.x, number)
        results.append([reversed_steps(node, every, sequences) if backward else every, *last])
    return results


def run_steps(node: NodeContext, inputs: Any, sequences: Sequences, states: Sequence[Any], step: Step) -> list[Any]:
    """One direction, step by step.

    Args:
        node: the node.
        inputs: what the steps are given, (S, B, K).
        sequences: the sequences.
        states: the initial states, each (B, H).
        step: one step.

    Returns:
        The first state after every step (S, B, H), and all states after each sequence's last step.
    """
    steps = sequences.steps
    if is_known(steps) and steps <= _MOST_UNROLLED:
        outputs = []
        for number in range(steps):
            states, output = _limited(node, step(part(node, inputs, number), states), states, sequences, number)
            outputs.append(output)
        return [node.mb.stack(values=outputs, axis=0), *states]
    return _loop(node, inputs, sequences, states, step)


def _loop(node: NodeContext, inputs: Any, sequences: Sequences, states: Sequence[Any], step: Step) -> list[Any]:
    mb, steps = node.mb, sequences.steps
    total = np.array([steps], dtype=np.int32) if is_known(steps) else steps

    def goes_on(number: Any, _outputs: Any, *_states: Any) -> Any:
        return mb.squeeze(x=mb.less(x=number, y=total), axes=[0])

    def body(number: Any, outputs: Any, *states: Any) -> tuple[Any, ...]:
        given = mb.squeeze(x=mb.gather(x=inputs, indices=number, axis=0), axes=[0])
        after, output = _limited(node, step(given, states), states, sequences, number)
        shown = mb.expand_dims(x=output, axes=[0])
        outputs = mb.scatter(data=outputs, indices=number, updates=shown, axis=0, mode="update")
        return (mb.add(x=number, y=np.array([1], dtype=np.int32)), outputs, *after)

    outputs = filled(node, [steps, sequences.batch, sequences.features])
    start = (node.const(np.zeros(1, dtype=np.int32)), outputs, *(_as_var(node, state) for state in states))
    return list(mb.while_loop(_cond=goes_on, _body=body, loop_vars=start))[1:]


def _as_var(node: NodeContext, state: Any) -> Any:
    return node.const(state) if isinstance(state, np.ndarray) else state


def _limited(
    node: NodeContext, after: Sequence[Any], before: Sequence[Any], sequences: Sequences, number: Any
) -> tuple[Sequence[Any], Any]:
    """The states after a step, and its output; a sequence that has ended keeps its states and gives zeros."""
    if sequences.lengths is None:
        return after, after[0]
    index = np.int32(number) if is_known(number) else number
    lasts = node.mb.expand_dims(x=node.mb.greater(x=sequences.lengths, y=index), axes=[1])
    kept = [node.mb.select(cond=lasts, a=new, b=old) for new, old in zip(after, before, strict=True)]
    return kept, node.mb.select(cond=lasts, a=after[0], b=np.float32(0))


def outputs_of(node: NodeContext, sequences: Sequences, results: list[list[Any]]) -> list[Any]:
    """The node's outputs from (S, B, H) and the last states (B, H) of each direction."""
    mb = node.mb
    every, *last = (list(values) for values in zip(*results, strict=True))
    # Y is (S, D, B, H), or (B, S, D, H) with the batch first; the states (D, B, H) or (B, D, H).
    joined_steps = _stacked(node, every, 1)
    if sequences.batch_first:
        joined_steps = mb.transpose(x=joined_steps, perm=[2, 0, 1, 3])
    return [joined_steps, *(_stacked(node, values, 1 if sequences.batch_first else 0) for values in last)]


def _stacked(node: NodeContext, values: list[Any], axis: int) -> Any:
    if len(values) == 1:
        return node.mb.expand_dims(x=values[0], axes=[axis])
    return node.mb.stack(values=values, axis=axis)


def gate_blocks(array: np.ndarray, stored: str, wanted: str) -> np.ndarray:
    """Blocks of rows, one a gate, in another order.

    >>> gate_blocks(np.array([1, 2, 3, 4]), "iofc", "ifoc").tolist()
    [1, 3, 2, 4]
    """
    parts = dict(zip(stored, np.split(array, len(stored)), strict=True))
    return np.ascontiguousarray(np.concatenate([parts[gate] for gate in wanted]))


def clipped(node: NodeContext, x: Any) -> Any:
    """What goes into an activation, limited by the attribute ``clip``."""
    limit = node.attribute("clip", None)
    return x if limit is None else node.mb.clip(x=x, alpha=-float(limit), beta=float(limit))


def projected(node: NodeContext, x: Any, weights: Any) -> Any:
    """x · weightsᵀ, without a bias."""
    if isinstance(weights, np.ndarray):
        return node.mb.matmul(x=x, y=np.ascontiguousarray(weights.T))
    return node.mb.matmul(x=x, y=weights, transpose_y=True)


def projection(node: NodeContext, index: int, weights: Any, bias: Any = None) -> Callable[[Any], Any]:
    """x · weightsᵀ + bias as a function of x, for every step; constants, part of the input ``index``, are made once."""
    if not isinstance(weights, np.ndarray) or not (bias is None or isinstance(bias, np.ndarray)):

        def multiplied(x: Any) -> Any:
            product = projected(node, x, weights)
            return product if bias is None else node.mb.add(x=product, y=bias)

        return multiplied
    known = node.weight(index, np.ascontiguousarray(weights, np.float32))
    matrix = node.const(known) if isinstance(known, np.ndarray) else known
    vector = node.const(np.zeros(len(weights), np.float32) if bias is None else bias.astype(np.float32))
    return lambda x: node.mb.linear(x=x, weight=matrix, bias=vector)


def split_gates(node: NodeContext, x: Any, count: int) -> list[Any]:
    """The gates side by side along the last axis, each for itself."""
    return list(node.mb.split(x=x, num_splits=count, axis=-1))
