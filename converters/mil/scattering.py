"""Elements and slices written at indices: ScatterElements, ScatterND, TensorScatter, MaxUnpool, Col2Im."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from mltoolkit.converters.mil.indices import from_front
from mltoolkit.converters.mil.kinds import as_numbers, cast_to_kind, kind_of, like
from mltoolkit.converters.mil.registry import writes
from mltoolkit.converters.mil.sizes import is_known, known_shape, non_negative_axis, size_of

if TYPE_CHECKING:
    from mltoolkit.converters.mil.context import NodeContext

_MODES = {"none": "update", "add": "add", "mul": "mul", "max": "max", "min": "min"}


def _mode(node: NodeContext, data: Any) -> str:
    reduction = node.attribute("reduction", "none")
    if reduction not in _MODES:
        node.refuse(f"there is no reduction {reduction!r}")
    if kind_of(data) == "b" and reduction not in ("none", "max", "min"):
        node.refuse(f"bools are not reduced by {reduction!r}")
    return _MODES[reduction]


@writes("ScatterElements", "Scatter")
def write_scatter_elements(node: NodeContext) -> Any:
    """Single elements of an axis; the other axes of the indices may be shorter than the data's."""
    data, indices, updates = (node.input(index) for index in range(3))
    axis = non_negative_axis(node.attribute("axis", 0), data.rank)
    mode = _mode(node, data)
    front = from_front(node, indices, [size_of(node, data, axis)])
    updates = cast_to_kind(node, updates, "i") if kind_of(updates) == "b" else updates
    others = [other for other in range(data.rank) if other != axis]
    if all(data.shape[other] == indices.shape[other] for other in others):
        return as_numbers(
            node,
            data,
            lambda data: node.mb.scatter_along_axis(data=data, indices=front, updates=updates, axis=axis, mode=mode),
        )
    shape = known_shape(node, indices, "ScatterElements with indices shorter than the data")
    places = list(np.indices(shape, dtype=np.int32).reshape(len(shape), -1, 1))
    parts: list[Any] = [*places]
    parts[axis] = front.reshape(-1, 1) if isinstance(front, np.ndarray) else node.mb.reshape(x=front, shape=[-1, 1])
    if isinstance(front, np.ndarray):
        positions: Any = np.concatenate(parts, axis=1)
    else:
        positions = node.mb.concat(values=parts, axis=1) if len(parts) > 1 else parts[0]
    flat = node.mb.reshape(x=updates, shape=[-1])
    return as_numbers(
        node, data, lambda data: node.mb.scatter_nd(data=data, indices=positions, updates=flat, mode=mode)
    )


@writes("ScatterND")
def write_scatter_nd(node: NodeContext) -> Any:
    """Elements or slices at the positions that the last axis of the indices holds."""
    data, indices, updates = (node.input(index) for index in range(3))
    mode = _mode(node, data)
    depth = indices.shape[-1]
    if not is_known(depth):
        node.refuse("the length of the positions is only known at run time")
    front = from_front(node, indices, [size_of(node, data, axis) for axis in range(int(depth))])
    updates = cast_to_kind(node, updates, "i") if kind_of(updates) == "b" else updates
    return as_numbers(node, data, lambda data: node.mb.scatter_nd(data=data, indices=front, updates=updates, mode=mode))


@writes("TensorScatter")
def write_tensor_scatter(node: NodeContext) -> Any:
    """A cache with new vectors along one axis, from an index of each batch element on."""
    cache, update = node.input(0), node.input(1)
    axis = non_negative_axis(node.attribute("axis", -2), cache.rank)
    shape, given = known_shape(node, cache, "TensorScatter"), known_shape(node, update, "TensorScatter")
    steps = np.arange(given[axis], dtype=np.int32).reshape([-1 if a == axis else 1 for a in range(cache.rank)])
    indices: Any = np.broadcast_to(steps, given).astype(np.int32)
    if node.has(2):
        first = node.mb.reshape(x=node.input(2), shape=[shape[0]] + [1] * (cache.rank - 1))
        indices = node.mb.add(x=first, y=indices)
        if node.attribute("mode", "linear") == "circular":
            indices = node.mb.mod(x=indices, y=np.int32(shape[axis]))
    return as_numbers(
        node,
        cache,
        lambda cache: node.mb.scatter_along_axis(
            data=cache,
            indices=indices,
            updates=cast_to_kind(node, update, kind_of(cache)),
            axis=axis,
            mode="update",
        ),
    )


@writes("MaxUnpool")
def write_max_unpool(node: NodeContext) -> Any:
    """Values put back to where a MaxPool found them, by indices into the flattened unpooled tensor."""
    x, indices = node.input(0), node.input(1)
    shape = known_shape(node, x, "MaxUnpool")
    kernel = node.attribute("kernel_shape")
    strides = node.attribute("strides", [1] * len(kernel))
    pads = node.attribute("pads", [0] * 2 * len(kernel))
    spatial = [
        (size - 1) * stride - before - behind + extent
        for size, stride, before, behind, extent in zip(
            shape[2:], strides, pads[: len(kernel)], pads[len(kernel) :], kernel, strict=True
        )
    ]
    inferred = [*shape[:2], *spatial]
    wanted = node.ints(2, "output_shape")
    zeros = np.zeros(int(np.prod(inferred)), dtype=np.float32)
    flat = node.mb.scatter(
        data=zeros,
        indices=node.mb.reshape(x=indices, shape=[-1]),
        updates=node.mb.reshape(x=x, shape=[-1]),
        axis=0,
        mode="update",
    )
    unpooled = node.mb.reshape(x=flat, shape=inferred)
    if wanted is None or wanted == inferred:
        return unpooled
    if any(size < given for size, given in zip(wanted, inferred, strict=True)):
        node.refuse(f"output_shape {wanted} is smaller than {inferred}, what the kernel gives")
    # As the ONNX reference does: the indices mean the tensor that the kernel gives; zeros are put behind.
    amounts = itertools.chain.from_iterable((0, w - g) for w, g in zip(wanted[2:], inferred[2:], strict=True))
    if wanted[:2] != inferred[:2]:
        node.refuse(f"output_shape {wanted} has another batch or other channels than {inferred}")
    return node.mb.pad(x=unpooled, pad=np.array(list(amounts), dtype=np.int32), mode="constant", constant_val=0.0)


@writes("Col2Im")
def write_col2im(node: NodeContext) -> Any:
    """Columns of blocks [N, C · prod(block), L] added up to the image [N, C, …] they were taken from."""
    x = node.input(0)
    image = node.ints(1, "image_shape") or []
    block = node.ints(2, "block_shape") or []
    axes = len(image)
    dilations = node.attribute("dilations", [1] * axes)
    strides = node.attribute("strides", [1] * axes)
    pads = node.attribute("pads", [0] * 2 * axes)
    batch, rows, columns = known_shape(node, x, "Col2Im")
    channels = rows // int(np.prod(block))
    places, inside = _block_places(image, block, dilations, strides, pads)
    if places.shape != (int(np.prod(block)), columns):
        node.refuse(f"{columns} columns do not fit an image of {image} and blocks of {block}")
    # What lies in the padding goes to one more element behind the image, which is cut off.
    total = int(np.prod(image))
    indices = np.where(inside, places, total).reshape(-1).astype(np.int32)
    zeros = np.zeros((batch, channels, total + 1), dtype=np.float32)
    values = node.mb.reshape(x=x, shape=[batch, channels, places.size])
    summed = node.mb.scatter(data=zeros, indices=indices, updates=values, axis=2, mode="add")
    kept = node.mb.slice_by_index(x=summed, begin=[0, 0, 0], end=[batch, channels, total])
    result = node.mb.reshape(x=kept, shape=[batch, channels, *image])
    return result if kind_of(x) == "f" else node.mb.cast(x=result, dtype=like(x, 0).dtype.name)


def _block_places(
    image: list[int], block: list[int], dilations: list[int], strides: list[int], pads: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    """The flat index in the image of each element of a block, for each block: (prod(block), L); and whether inside."""
    axes = len(image)
    coordinates = []
    for axis in range(axes):
        reach = dilations[axis] * (block[axis] - 1)
        starts = np.arange(0, image[axis] + pads[axis] + pads[axes + axis] - reach, strides[axis]) - pads[axis]
        # (block, positions) of this axis, spread over all axes of blocks and positions.
        both = np.arange(block[axis])[:, None] * dilations[axis] + starts[None, :]
        shape = [1] * 2 * axes
        shape[axis], shape[axes + axis] = both.shape
        coordinates.append(both.reshape(shape))
    whole = np.broadcast_arrays(*coordinates)
    elements = int(np.prod(block))
    inside = np.ones(whole[0].shape, dtype=bool)
    flat = np.zeros(whole[0].shape, dtype=np.int64)
    for coordinate, size in zip(whole, image, strict=True):
        inside &= (coordinate >= 0) & (coordinate < size)
        flat = flat * size + coordinate
    return flat.reshape(elements, -1), inside.reshape(elements, -1)
