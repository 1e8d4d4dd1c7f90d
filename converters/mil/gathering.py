"""Elements and slices picked by index: Gather, GatherElements, GatherND, Compress."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mltoolkit.converters.mil.indices import from_front
from mltoolkit.converters.mil.kinds import as_numbers, cast_to_kind
from mltoolkit.converters.mil.registry import writes
from mltoolkit.converters.mil.sizes import is_known, known_shape, non_negative_axis, size_of

if TYPE_CHECKING:
    from mltoolkit.converters.mil.context import NodeContext


@writes("Gather")
def write_gather(node: NodeContext) -> Any:
    """Slices of an axis: D[:axis] + indices' shape + D[axis + 1:]."""
    x, indices = node.input(0), node.input(1)
    axis = non_negative_axis(node.attribute("axis", 0), x.rank)
    embedding = node.is_network and x.val is not None
    indices = from_front(node, indices, [size_of(node, x, axis)], always=embedding)
    return as_numbers(node, x, lambda x: picked(node, x, indices, axis))


def picked(node: NodeContext, x: Any, indices: Any, axis: int) -> Any:
    """Slices of an axis at indices from the front, a scalar index included.

    NeuralNetworks have no scalars: there the axis stays, of size 1, until it is removed.
    """
    rank = np.ndim(indices) if isinstance(indices, np.ndarray) else indices.rank
    if rank:
        return node.mb.gather(x=x, indices=indices, axis=axis)
    if isinstance(indices, np.ndarray | np.generic):
        one: Any = np.array([indices], dtype=np.int32)
    else:
        one = node.mb.expand_dims(x=indices, axes=[0])
    return node.mb.squeeze(x=node.mb.gather(x=x, indices=one, axis=axis), axes=[axis])


@writes("GatherElements")
def write_gather_elements(node: NodeContext) -> Any:
    """Single elements of an axis; the other axes of the indices may be shorter than the data's."""
    x, indices = node.input(0), node.input(1)
    axis = non_negative_axis(node.attribute("axis", 0), x.rank)
    front = from_front(node, indices, [size_of(node, x, axis)])
    x = _cut_to(node, x, indices.shape, axis)
    return as_numbers(node, x, lambda x: node.mb.gather_along_axis(x=x, indices=front, axis=axis))


def _cut_to(node: NodeContext, x: Any, shape: Any, axis: int) -> Any:
    """The beginning of each axis but one, as long as ``shape`` says."""
    ends, differs = [0] * x.rank, False
    for other in range(x.rank):
        if other == axis or x.shape[other] == shape[other]:
            continue
        if not is_known(shape[other]):
            # Sizes under different names may be equal; the operation itself takes them as equal.
            node.refuse(f"the indices' size along axis {other} is only known at run time")
        ends[other], differs = int(shape[other]), True
    if not differs:
        return x
    masks = [end == 0 for end in ends]
    return node.mb.slice_by_index(x=x, begin=[0] * x.rank, end=ends, end_mask=masks)


@writes("GatherND")
def write_gather_nd(node: NodeContext) -> Any:
    """Elements or slices at the positions that the last axis of the indices holds."""
    x, indices = node.input(0), node.input(1)
    batch = node.attribute("batch_dims", 0)
    depth = indices.shape[-1]
    if not is_known(depth):
        node.refuse("the length of the positions is only known at run time")
    sizes = [size_of(node, x, batch + offset) for offset in range(int(depth))]
    indices = from_front(node, indices, sizes)
    if not batch:
        return as_numbers(node, x, lambda x: node.mb.gather_nd(x=x, indices=indices))
    return as_numbers(node, x, lambda x: _gather_in_batches(node, x, indices, batch))


def _gather_in_batches(node: NodeContext, x: Any, indices: Any, batch: int) -> Any:
    """GatherND whose positions begin behind ``batch`` axes that data and indices have in common."""
    if node.opset >= 7:
        return node.mb.gather_nd(x=x, indices=indices, batch_dims=batch)
    given = node.input(1)
    shape = known_shape(node, given, "GatherND with batch_dims")
    grid = np.indices(shape[:-1], dtype=np.int32)[:batch]
    places: Any = np.moveaxis(grid, 0, -1)
    if isinstance(indices, np.ndarray):
        whole: Any = np.concatenate([places, indices], axis=-1)
    else:
        whole = node.mb.concat(values=[places, indices], axis=len(shape) - 1)
    return node.mb.gather_nd(x=x, indices=whole)


@writes("Compress")
def write_compress(node: NodeContext) -> Any:
    """The slices of an axis, or elements of the flattened data, for which a vector of bools is true."""
    x, axis = node.input(0), node.attribute("axis", None)
    if axis is None:
        x, axis = node.mb.reshape(x=x, shape=[-1]), 0
    axis = non_negative_axis(axis, x.rank)
    condition = node.constant(1)
    if condition is not None:
        places: Any = np.flatnonzero(condition).astype(np.int32)
        if not places.size:
            node.refuse("nothing is selected, and Core ML holds no empty tensors")
    else:
        found = node.mb.non_zero(x=cast_to_kind(node, node.input(1), "b"))
        places = node.mb.squeeze(x=found, axes=[1])
    return as_numbers(node, x, lambda x: node.mb.gather(x=x, indices=places, axis=axis))
