"""Sequences of tensors whose members are known before the model runs: they leave no trace in the hub."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.onnx_import.node import RefusedNode, SourceNode
from mltoolkit.converters.onnx_import.registry import adapts

# The most members that a tensor is taken apart into.
_MAX_MEMBERS = 1024


def _sequence(node: SourceNode, members: Sequence[ir.Value]) -> tuple[ir.Value, ...]:
    """A value that stands for a sequence; it is read by the adapters of this file only."""
    known = members[0].type if members else None
    kind = known if isinstance(known, ir.TensorType) else ir.TensorType(ir.DataType.FLOAT)
    stand_in = ir.Value(name=node.builder.unique_name(f"{node.name}/sequence"), type=ir.SequenceType(kind))
    node.walker.sequences[stand_in] = tuple(members)
    return (stand_in,)


def _members(node: SourceNode, index: int = 0) -> tuple[ir.Value, ...]:
    value = node.input(index)
    if value not in node.walker.sequences:
        raise RefusedNode("the members of its sequence are only known when the model runs")
    return node.walker.sequences[value]


def _place(node: SourceNode, index: int, count: int, default: int) -> int:
    """A position in a sequence, counted from the end where it is negative."""
    if node.optional_input(index) is None:
        return default
    place = int(node.needed_constant(index, "position").reshape(()))
    return place + count if place < 0 else place


@adapts("SequenceConstruct")
def adapt_construct(node: SourceNode) -> Sequence[ir.Value]:
    """Its inputs are the members."""
    return _sequence(node, [node.input(index) for index in range(len(node.inputs))])


@adapts("SequenceEmpty")
def adapt_empty(node: SourceNode) -> Sequence[ir.Value]:
    """No members."""
    return _sequence(node, [])


@adapts("SequenceInsert")
def adapt_insert(node: SourceNode) -> Sequence[ir.Value]:
    """One member more."""
    members = list(_members(node))
    members.insert(_place(node, 2, len(members), len(members)), node.input(1))
    return _sequence(node, members)


@adapts("SequenceErase")
def adapt_erase(node: SourceNode) -> Sequence[ir.Value]:
    """One member less."""
    members = list(_members(node))
    del members[_place(node, 1, len(members), len(members) - 1)]
    return _sequence(node, members)


@adapts("SequenceAt")
def adapt_at(node: SourceNode) -> Sequence[ir.Value]:
    """A member."""
    members = _members(node)
    return (members[_place(node, 1, len(members), 0)],)


@adapts("SequenceLength")
def adapt_length(node: SourceNode) -> Sequence[ir.Value]:
    """A constant."""
    return (node.builder.constant(np.asarray(len(_members(node)), dtype=np.int64)),)


@adapts("ConcatFromSequence")
def adapt_concatenation(node: SourceNode) -> Sequence[ir.Value]:
    """A Concat of the members, along an axis of theirs or a new one."""
    members, axis = list(_members(node)), int(node.attribute("axis"))
    if not members:
        raise RefusedNode("its sequence is empty")
    rank = len(members[0].shape) if members[0].shape is not None else None
    if node.attribute("new_axis", 0):
        if axis < 0 and rank is not None:
            axis += rank + 1
        members = [node.op("Unsqueeze", member, node.builder.constant([axis])) for member in members]
    elif axis < 0 and rank is not None:
        axis += rank
    return (node.op("Concat", *members, axis=axis),)


@adapts("SplitToSequence")
def adapt_split(node: SourceNode) -> Sequence[ir.Value]:
    """Slices of a tensor."""
    axis = node.axis(0)
    whole = node.shape(0)[axis]
    if not isinstance(whole, int):
        raise RefusedNode("the size of the axis that it splits is only known when the model runs")
    squeezes = False
    if node.optional_input(1) is None:
        sizes, squeezes = [1] * whole, not node.attribute("keepdims", 1)
    else:
        given = node.needed_constant(1, "sizes")
        size = int(given.reshape(-1)[0]) if given.ndim == 0 else 0
        if given.ndim:
            sizes = [int(each) for each in given]
        elif size > 0:
            sizes = [min(size, whole - start) for start in range(0, whole, size)]
        else:
            sizes = []
    if len(sizes) > _MAX_MEMBERS or sum(sizes) != whole or min(sizes, default=0) < 0:
        raise RefusedNode(f"it splits {whole} into {len(sizes)} parts of together {sum(sizes)}")
    members, start = [], 0
    for size in sizes:
        first, last = node.builder.constant([start]), node.builder.constant([start + size])
        part = node.op("Slice", node.input(0), first, last, node.builder.constant([axis]))
        members.append(node.op("Squeeze", part, node.builder.constant([axis])) if squeezes else part)
        start += size
    return _sequence(node, members)
