"""Elements in order of size and where they are: TopK, ArgMax, ArgMin, NonZero, Hardmax, Unique."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mltoolkit.converters.mil.kinds import as_numbers, cast_to_kind, kind_of, like
from mltoolkit.converters.mil.registry import writes
from mltoolkit.converters.mil.sizes import counted, is_known, non_negative_axis, size_of

if TYPE_CHECKING:
    from mltoolkit.converters.mil.context import NodeContext


@writes("TopK")
def write_top_k(node: NodeContext) -> Any:
    """The k largest or smallest elements of an axis in order, the first of equal ones first; and where they are."""
    x = node.input(0)
    axis = non_negative_axis(node.attribute("axis", -1), x.rank)
    k = int(node.needed_constant(1, "k").reshape(-1)[0])
    if k < 1:
        node.refuse("k is 0, and Core ML holds no empty tensors")
    return node.mb.topk(x=x, k=k, axis=axis, ascending=not node.attribute("largest", 1))


@writes("ArgMax", "ArgMin")
def write_argument(node: NodeContext) -> Any:
    """The index of the largest or smallest element, the first or the last of equal ones."""
    x = node.input(0)
    axis = non_negative_axis(node.attribute("axis", 0), x.rank)
    keep = bool(node.attribute("keepdims", 1))
    last = bool(node.attribute("select_last_index", 0))
    if last:
        x = node.mb.reverse(x=x, axes=[axis])
    find = node.mb.reduce_argmax if node.op_type == "ArgMax" else node.mb.reduce_argmin
    found = find(x=x, axis=axis, keep_dims=keep)
    if not last:
        return found
    size = size_of(node, x, axis)
    if is_known(size):
        return node.mb.sub(x=np.int32(size - 1), y=found)
    return node.mb.sub(x=node.mb.sub(x=size, y=np.int32(1)), y=found)


@writes("NonZero")
def write_non_zero(node: NodeContext) -> Any:
    """The positions of all elements other than 0, one axis a row: (rank, N)."""
    x = node.input(0)
    if not x.rank:
        node.refuse("a scalar has no positions")
    return node.mb.transpose(x=node.mb.non_zero(x=x), perm=[1, 0])


@writes("Hardmax")
def write_hardmax(node: NodeContext) -> Any:
    """1 at the first of the largest elements of an axis, else 0."""
    x = node.input(0)
    axis = non_negative_axis(node.attribute("axis", -1), x.rank)
    found = node.mb.reduce_argmax(x=x, axis=axis, keep_dims=True)
    positions = counted(node, size_of(node, x, axis))
    behind = x.rank - 1 - axis
    if behind:
        shape = [-1] + [1] * behind
        known = isinstance(positions, np.ndarray)
        positions = positions.reshape(shape) if known else node.mb.reshape(x=positions, shape=shape)
    return cast_to_kind(node, node.mb.equal(x=found, y=positions), "f")


@writes("Unique")
def write_unique(node: NodeContext) -> Any:
    """The elements that differ, where each first stands, which of them each element is, and how often each occurs.

    The elements are sorted; where one differs from the one before, a new one begins.
    """
    x = node.input(0)
    if x.rank > 1 and node.attribute("axis", None) is not None:
        node.refuse("whole slices are compared", "Unique of the flattened tensor (without axis)")
    if kind_of(x) == "b":
        node.refuse("Core ML sorts no bools", "Unique of numbers")
    mb, flat = node.mb, node.mb.reshape(x=x, shape=[-1])
    size = flat.shape[0]
    if not is_known(size):
        node.refuse("the number of elements is only known at run time", "a fixed input shape")
    size = int(size)
    if size == 1:
        zero = np.zeros(1, dtype=np.int64)
        return mb.identity(x=flat), zero, zero, zero + 1
    # Equal elements stay in order, so that the first of a run is the one that stands first.
    ordered, places = mb.topk(x=flat, k=size, axis=0, ascending=True)
    before = mb.slice_by_index(x=ordered, begin=[0], end=[size - 1])
    behind = mb.slice_by_index(x=ordered, begin=[1], end=[size])
    changes = cast_to_kind(node, mb.not_equal(x=before, y=behind), "i")
    begins = mb.concat(values=[np.ones(1, dtype=np.int32), changes], axis=0)
    runs = mb.squeeze(x=mb.non_zero(x=begins), axes=[1])
    firsts = mb.gather(x=places, indices=runs, axis=0)
    ends = mb.concat(values=[runs, np.array([size], dtype=np.int32)], axis=0)
    counts = mb.sub(
        x=mb.slice_by_index(x=ends, begin=[1], end=[0], end_mask=[True]),
        y=mb.slice_by_index(x=ends, begin=[0], end=[-1]),
    )
    numbers = mb.sub(x=mb.cumsum(x=begins, axis=0), y=np.int32(1))
    if not node.attribute("sorted", 1):
        order = mb.argsort(x=firsts, axis=0, ascending=True)
        firsts, counts = (mb.gather(x=values, indices=order, axis=0) for values in (firsts, counts))
        # The number that each run has in that order.
        ranks = mb.argsort(x=order, axis=0, ascending=True)
        numbers = mb.gather(x=ranks, indices=numbers, axis=0)
    inverse = mb.scatter(data=np.zeros(size, np.int32), indices=places, updates=numbers, axis=0, mode="update")
    return mb.gather(x=flat, indices=firsts, axis=0), firsts, inverse, counts


@writes("CumSum")
def write_cumulative_sum(node: NodeContext) -> Any:
    """The sum of all elements of an axis up to each one."""
    x = node.input(0)
    axis = non_negative_axis(int(node.needed_constant(1, "axis").reshape(-1)[0]), x.rank)
    return node.mb.cumsum(
        x=x,
        axis=axis,
        exclusive=bool(node.attribute("exclusive", 0)),
        reverse=bool(node.attribute("reverse", 0)),
    )


@writes("CumProd")
def write_cumulative_product(node: NodeContext) -> Any:
    """The product of all elements of an axis up to each one, by doubling the reach of each product."""
    x = node.input(0)
    axis = non_negative_axis(int(node.needed_constant(1, "axis").reshape(-1)[0]), x.rank)
    size = x.shape[axis]
    if not is_known(size):
        node.refuse("the number of factors is only known at run time")
    size, backward = int(size), bool(node.attribute("reverse", 0))
    if node.attribute("exclusive", 0):
        x = _shifted(node, x, axis, 1, backward)
    reach = 1
    while reach < size:
        x = node.mb.mul(x=x, y=_shifted(node, x, axis, reach, backward))
        reach *= 2
    return x


def _shifted(node: NodeContext, x: Any, axis: int, steps: int, backward: bool) -> Any:
    """The elements of an axis moved by some steps, ones where they come from."""
    size = int(x.shape[axis])
    if not all(is_known(length) for length in x.shape):
        node.refuse("CumProd needs known sizes", "fixed input shapes")
    shape = [int(length) for length in x.shape]
    shape[axis] = steps
    ones = like(x, np.ones(shape))
    begin, end = [0] * x.rank, [int(length) for length in x.shape]
    if steps >= size:
        shape[axis] = size
        return like(x, np.ones(shape))
    begin[axis], end[axis] = (steps, size) if backward else (0, size - steps)
    kept = node.mb.slice_by_index(x=x, begin=begin, end=end)
    return node.mb.concat(values=[kept, ones] if backward else [ones, kept], axis=axis)


@writes("ReverseSequence")
def write_reverse_sequence(node: NodeContext) -> Any:
    """The first elements of each sequence of a batch in reverse."""
    lengths = node.input(1)
    batch, time = node.attribute("batch_axis", 1), node.attribute("time_axis", 0)
    return as_numbers(node, node.input(0), lambda x: reversed_sequences(node, x, lengths, time, batch))


def reversed_sequences(node: NodeContext, x: Any, lengths: Any, time: int, batch: int) -> Any:
    """The first ``lengths[b]`` elements of an axis in reverse, for each b of another axis."""
    # In a neural network, the axis of the batch comes first.
    swapped = node.is_network and batch > time
    order = [*range(x.rank)]
    order[batch], order[time] = time, batch
    if swapped:
        x, batch, time = node.mb.transpose(x=x, perm=order), time, batch
    result = node.mb.reverse_sequence(x=x, lengths=lengths, seq_axis=time, batch_axis=batch)
    return node.mb.transpose(x=result, perm=order) if swapped else result
