"""Sequences of tensors, as far as their lengths and places are known while the model is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mltoolkit.converters.mil.kinds import as_numbers
from mltoolkit.converters.mil.registry import writes
from mltoolkit.converters.mil.sizes import is_known, non_negative_axis
from mltoolkit.converters.mil.tensor_sequence import TensorSequence

if TYPE_CHECKING:
    from mltoolkit.converters.mil.context import NodeContext


@writes("SequenceConstruct")
def write_construct(node: NodeContext) -> Any:
    """A sequence of the inputs."""
    return TensorSequence(tuple(node.inputs()))


@writes("SequenceEmpty")
def write_empty(node: NodeContext) -> Any:
    """A sequence of nothing."""
    return TensorSequence(())


@writes("SequenceLength")
def write_length(node: NodeContext) -> Any:
    """How many tensors a sequence has."""
    return np.array(len(_items(node)), dtype=np.int64)


@writes("SequenceAt")
def write_at(node: NodeContext) -> Any:
    """One tensor of a sequence."""
    return _items(node)[_place(node, 1, len(_items(node)) - 1)]


@writes("SequenceInsert")
def write_insert(node: NodeContext) -> Any:
    """A sequence with one tensor more."""
    items = list(_items(node))
    items.insert(_place(node, 2, len(items)) if node.has(2) else len(items), node.input(1))
    return TensorSequence(tuple(items))


@writes("SequenceErase")
def write_erase(node: NodeContext) -> Any:
    """A sequence with one tensor less."""
    items = list(_items(node))
    del items[_place(node, 1, len(items) - 1) if node.has(1) else -1]
    return TensorSequence(tuple(items))


@writes("ConcatFromSequence")
def write_concat(node: NodeContext) -> Any:
    """The tensors of a sequence along one axis, that they have or that is new."""
    items, axis = _items(node), node.attribute("axis")
    if not items:
        node.refuse("the sequence is empty")
    if node.attribute("new_axis", 0):
        return node.mb.stack(values=items, axis=non_negative_axis(axis, items[0].rank + 1))
    if len(items) == 1:
        return node.mb.identity(x=items[0])
    return node.mb.concat(values=items, axis=non_negative_axis(axis, items[0].rank))


@writes("SplitToSequence")
def write_split(node: NodeContext) -> Any:
    """The parts of a tensor along an axis, in equal or given lengths; of one element each without the input."""
    x = node.input(0)
    axis = non_negative_axis(node.attribute("axis", 0), x.rank)
    if not is_known(x.shape[axis]):
        node.refuse("how many parts there are depends on a flexible size", "a fixed input shape")
    size = int(x.shape[axis])
    given = node.needed_constant(1, "split") if node.has(1) else None
    step = 1 if given is None else int(given.reshape(-1)[0])
    if given is not None and given.ndim:
        lengths = [int(length) for length in given]
    else:
        lengths = [step] * (size // step) + ([size % step] if size % step else [])
    parts, start = [], 0
    for length in lengths:
        begin, end = [0] * x.rank, [0] * x.rank
        begin[axis], end[axis] = start, start + length
        masks = [other != axis for other in range(x.rank)]
        part = node.mb.slice_by_index(x=x, begin=begin, end=end, begin_mask=masks, end_mask=masks)
        if given is None and not node.attribute("keepdims", 1):
            part = as_numbers(node, part, lambda part: node.mb.squeeze(x=part, axes=[axis]))
        parts.append(part)
        start += length
    return TensorSequence(tuple(parts))


def _items(node: NodeContext) -> tuple[Any, ...]:
    sequence: Any = node.input(0)
    if not isinstance(sequence, TensorSequence):
        node.refuse("its input is no sequence that is made here")
    return sequence.items


def _place(node: NodeContext, index: int, last: int) -> int:
    """A constant place in a sequence, counted from the front."""
    place = int(node.needed_constant(index, "position").reshape(-1)[0])
    place = place + last + 1 if place < 0 else place
    if not 0 <= place <= last:
        node.refuse(f"place {place} lies outside a sequence of {last + 1}")
    return place
