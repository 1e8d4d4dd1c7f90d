"""Loop and Scan: unrolled where they end after a few steps that are known, else MIL's ``while_loop``.

What a loop collects, step by step, is written into a tensor that has room for all steps: MIL's loops carry tensors
of one shape.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.mil.kinds import cast_to_kind, kind_of
from mltoolkit.converters.mil.registry import writes
from mltoolkit.converters.mil.sizes import is_known, joined, non_negative_axis, size_of
from mltoolkit.converters.mil.tensor_sequence import TensorSequence

if TYPE_CHECKING:
    from mltoolkit.converters.mil.context import NodeContext

_MOST_UNROLLED = 32


@dataclass
class _Step:
    """What a step gives.

    Attributes:
        goes_on: whether another follows: a bool, or a Var.
        states: the new states.
        shown: what is collected.
    """

    goes_on: Any
    states: list[Any]
    shown: list[Any]


# (number of the step, an int or an int32 scalar Var; states) → what it gives.
_Body = Callable[[Any, Sequence[Any]], _Step]


class _EndsUnknown(Exception):
    """Whether a step is the last one is only known when the model runs."""


@writes("Loop")
def write_loop(node: NodeContext) -> Any:
    """Loop: at most a number of steps, and as long as a condition holds."""
    graph: ir.Graph = node.attribute("body")
    states = [node.input(index) for index in range(2, len(node.node.inputs))]
    most: Any = None
    if node.has(0):
        known = node.constant(0)
        most = int(min(known.reshape(-1)[0], np.iinfo(np.int32).max)) if known is not None else _vector(node, 0)
    first: Any = True
    if node.has(1):
        known = node.constant(1)
        first = bool(known.reshape(-1)[0]) if known is not None else _scalar(node, node.input(1))

    def body(number: Any, states: Sequence[Any]) -> _Step:
        at = node.mb.const(val=np.int32(number)) if is_known(number) else number
        goes_on, *results = node.subgraph(graph, [at, node.mb.const(val=np.bool_(True)), *states])
        known = None if goes_on.val is None else bool(np.asarray(goes_on.val).reshape(-1)[0])
        flag = _scalar(node, goes_on) if known is None else known
        return _Step(flag, results[: len(states)], results[len(states) :])

    states, shown = _run(node, most, first, states, body)
    return [*states, *shown]


def _vector(node: NodeContext, index: int) -> Any:
    """A number that is computed, of shape (1,)."""
    x = node.input(index)
    return node.mb.reshape(x=x, shape=[1])


def _scalar(node: NodeContext, x: Any) -> Any:
    return node.mb.squeeze(x=x, axes=list(range(x.rank))) if x.rank else x


@writes("Scan")
def write_scan(node: NodeContext) -> Any:
    """Scan: a step for every slice of some inputs."""
    graph: ir.Graph = node.attribute("body")
    count = node.attribute("num_scan_inputs")
    inputs = [node.input(index) for index in range(len(node.node.inputs))]
    states, scanned = inputs[: len(inputs) - count], inputs[len(inputs) - count :]
    axes = node.attribute("scan_input_axes", [0] * count)
    ways = node.attribute("scan_input_directions", [0] * count)
    fronts = []
    for x, axis, backward in zip(scanned, axes, ways, strict=True):
        front = _moved(node, x, non_negative_axis(axis, x.rank), 0)
        fronts.append(node.mb.reverse(x=front, axes=[0]) if backward else front)
    steps = size_of(node, fronts[0], 0)

    def body(number: Any, states: Sequence[Any]) -> _Step:
        if is_known(number):
            slices = [_slice(node, front, number) for front in fronts]
        else:
            at = node.mb.expand_dims(x=number, axes=[0])
            slices = [node.mb.squeeze(x=node.mb.gather(x=front, indices=at, axis=0), axes=[0]) for front in fronts]
        results = node.subgraph(graph, [*states, *slices])
        return _Step(True, results[: len(states)], results[len(states) :])

    states, shown = _run(node, steps, True, states, body)
    out_axes = node.attribute("scan_output_axes", [0] * len(shown))
    out_ways = node.attribute("scan_output_directions", [0] * len(shown))
    collected = []
    for x, axis, backward in zip(shown, out_axes, out_ways, strict=True):
        ordered = node.mb.reverse(x=x, axes=[0]) if backward else x
        collected.append(_moved(node, ordered, 0, non_negative_axis(axis, x.rank)))
    return [*states, *collected]


def _moved(node: NodeContext, x: Any, source: int, target: int) -> Any:
    """One axis elsewhere."""
    order = [axis for axis in range(x.rank) if axis != source]
    order.insert(target, source)
    return x if source == target else node.mb.transpose(x=x, perm=order)


def _slice(node: NodeContext, x: Any, number: int) -> Any:
    begin, end = [0] * x.rank, [0] * x.rank
    begin[0], end[0] = number, number + 1
    masks = [axis != 0 for axis in range(x.rank)]
    one = node.mb.slice_by_index(x=x, begin=begin, end=end, begin_mask=masks, end_mask=masks)
    return node.mb.squeeze(x=one, axes=[0])


def _run(node: NodeContext, most: Any, first: Any, states: Sequence[Any], body: _Body) -> tuple[list[Any], list[Any]]:
    """Run a body.

    Args:
        node: the node.
        most: the largest number of steps, an int, a Var (1,), or None for any.
        first: whether there is a first step, a bool or a Var.
        states: the initial states.
        body: a step.

    Returns:
        The last states, and what was collected along a new first axis.
    """
    if first is False or (is_known(most) and most < 1):
        if len(node.outputs) > len(states):
            node.refuse("it has no step and collects nothing, and Core ML holds no empty tensors")
        return list(states), []
    if first is True and (most is None or (is_known(most) and most <= _MOST_UNROLLED)):
        try:
            return _unrolled(node, most, states, body)
        except _EndsUnknown:
            pass
    if any(isinstance(state, TensorSequence) for state in states):
        node.refuse("it carries sequences over a number of steps that is not known", "a constant, small trip count")
    return _looped(node, most, first, states, body)


def _unrolled(node: NodeContext, most: int | None, states: Sequence[Any], body: _Body) -> tuple[list[Any], list[Any]]:
    """Every step for itself; what is emitted for nothing is dropped by coremltools as dead code."""
    shown: list[list[Any]] = []
    number = 0
    while most is None or number < most:
        if number == _MOST_UNROLLED:
            raise _EndsUnknown
        step = body(number, states)
        states = step.states
        shown.append(step.shown)
        number += 1
        if not isinstance(step.goes_on, bool):
            if number == most:
                break
            raise _EndsUnknown
        if not step.goes_on:
            break
    return list(states), [_stacked(node, list(values)) for values in zip(*shown, strict=True)]


def _stacked(node: NodeContext, values: list[Any]) -> Any:
    if len(values) == 1:
        return node.mb.expand_dims(x=values[0], axes=[0])
    return node.mb.stack(values=values, axis=0)


def _looped(
    node: NodeContext, most: Any, first: Any, states: Sequence[Any], body: _Body
) -> tuple[list[Any], list[Any]]:
    mb = node.mb
    collects = len(node.outputs) - len(states)
    if collects and most is None:
        node.refuse("it collects the results of a number of steps that is not known", "Loop with a trip count")
    # One step for nothing tells the types of what is collected.
    trial = body(node.mb.const(val=np.int32(0)), states) if collects else _Step(True, [], [])
    kinds = [kind_of(value) for value in trial.shown]
    rooms = [_room(node, most, value) for value in trial.shown]
    limit = np.array([most], dtype=np.int32) if is_known(most) else most

    def goes_on(number: Any, flag: Any, *_others: Any) -> Any:
        if limit is None:
            return mb.greater(x=flag, y=np.int32(0))
        return mb.logical_and(x=mb.greater(x=flag, y=np.int32(0)), y=mb.squeeze(x=mb.less(x=number, y=limit), axes=[0]))

    def advance(number: Any, _flag: Any, *variables: Any) -> tuple[Any, ...]:
        before, rooms = variables[: len(states)], variables[len(states) :]
        step = body(mb.squeeze(x=number, axes=[0]), before)
        after = [
            # What a step hands on unchanged, or to another state, is copied before anything is overwritten.
            mb.identity(x=value) if value in variables or value.op is None or value.op.op_type == "const" else value
            for value in step.states
        ]
        flag = np.int32(step.goes_on) if isinstance(step.goes_on, bool) else cast_to_kind(node, step.goes_on, "i")
        flag = node.mb.const(val=flag) if isinstance(flag, np.int32) else flag
        filled = [
            mb.scatter(
                data=room,
                indices=number,
                updates=mb.expand_dims(x=value if kind_of(value) != "b" else cast_to_kind(node, value, "i"), axes=[0]),
                axis=0,
                mode="update",
            )
            for room, value in zip(rooms, step.shown, strict=True)
        ]
        return (mb.add(x=number, y=np.array([1], dtype=np.int32)), flag, *after, *filled)

    start = node.const(np.zeros(1, dtype=np.int32))
    flag = node.mb.const(val=np.int32(first)) if isinstance(first, bool) else cast_to_kind(node, first, "i")
    number, _, *results = mb.while_loop(_cond=goes_on, _body=advance, loop_vars=(start, flag, *states, *rooms))
    last, shown = results[: len(states)], results[len(states) :]
    if shown and trial.goes_on is not True:
        shown = [_beginning(node, value, number) for value in shown]
    return list(last), [cast_to_kind(node, value, kind) for value, kind in zip(shown, kinds, strict=True)]


def _room(node: NodeContext, most: Any, value: Any) -> Any:
    """Zeros for as many values as there are steps."""
    if not all(is_known(size) for size in value.shape):
        node.refuse("it collects values of flexible shape", "fixed input shapes")
    dtype = np.float32 if kind_of(value) == "f" else np.int32
    sizes = [most, *(int(size) for size in value.shape)]
    if is_known(most):
        return node.const(np.zeros(sizes, dtype=dtype))
    return node.mb.fill(shape=joined(node, sizes), value=dtype(0))


def _beginning(node: NodeContext, x: Any, count: Any) -> Any:
    """As many elements of the first axis as there were steps."""
    zeros = np.zeros(x.rank - 1, dtype=np.int32)
    end = node.mb.concat(values=[count, zeros], axis=0) if x.rank > 1 else count
    return node.mb.slice_by_index(x=x, begin=[0] * x.rank, end=end, end_mask=[axis != 0 for axis in range(x.rank)])
