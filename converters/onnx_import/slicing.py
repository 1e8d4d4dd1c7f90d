"""Bounds, sizes and limits that were attributes and are inputs now."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.onnx_import.node import RefusedNode, SourceNode
from mltoolkit.converters.onnx_import.registry import adapts
from mltoolkit.graph.builder import known_shape


@adapts("Slice", before=10)
def adapt_slice(node: SourceNode) -> Sequence[ir.Value]:
    """Slice before opset 10."""
    starts, ends = node.attribute("starts"), node.attribute("ends")
    axes = node.attribute("axes", list(range(len(starts))))
    bounds = [node.builder.constant(numbers) for numbers in (starts, ends, axes)]
    return node.emit(inputs=[node.input(0), *bounds], attributes={})


@adapts("Split")
def adapt_split(node: SourceNode) -> Sequence[ir.Value]:
    """Split: sizes were an attribute before opset 13, the number of equal parts is one since 18."""
    sizes = node.attribute("split")
    given = node.builder.constant(sizes) if sizes else node.optional_input(1)
    attributes = node.without("split")
    if given is not None:
        known = None if given.const_value is None else [int(size) for size in given.const_value.numpy()]
        if known is not None and 0 in known and any(known):
            return _slices(node, known)
        return node.emit(inputs=[node.input(0), given], attributes=attributes)
    if node.version >= 18:
        return node.emit(attributes=attributes)
    count = node.output_count
    whole = node.shape(0)[node.axis(0)]
    # Parts were equal then; the newer operator makes the last one smaller.
    if isinstance(whole, int) and whole % count:
        raise RefusedNode(f"it divides {whole} into {count} equal parts")
    return node.emit(inputs=[node.input(0)], attributes=attributes | {"num_outputs": count})


def _slices(node: SourceNode, sizes: Sequence[int]) -> list[ir.Value]:
    """The parts one by one: empty ones must not hinder the others (RotaryEmbedding rotates all or a part)."""
    axis, parts, start = node.axis(0), [], 0
    for size in sizes:
        bounds = [node.builder.constant([bound]) for bound in (start, start + size, axis)]
        parts.append(node.input(0) if size == sum(sizes) else node.op("Slice", node.input(0), *bounds))
        start += size
    return parts


@adapts("Concat")
def adapt_concatenation(node: SourceNode) -> Sequence[ir.Value]:
    """Concat without parts that are known to be empty."""
    shapes = [known_shape(value) if value is not None else None for value in node.inputs]
    axis = int(node.attribute("axis", 1))
    full = [
        value
        for value, shape in zip(node.inputs, shapes, strict=True)
        if shape is None or not -len(shape) <= axis < len(shape) or shape[axis] != 0
    ]
    if not full or len(full) == len(node.inputs):
        return node.emit()
    return node.emit(inputs=full)


@adapts("Pad", before=11)
def adapt_pad(node: SourceNode) -> Sequence[ir.Value]:
    """Pad before opset 11."""
    pads = node.builder.constant(node.attribute("pads", node.attribute("paddings")))
    value = node.number(node.attribute("value", 0.0), node.input(0))
    return node.emit(inputs=[node.input(0), pads, value], attributes={"mode": node.attribute("mode", "constant")})


@adapts("Clip", before=11)
def adapt_clip(node: SourceNode) -> Sequence[ir.Value]:
    """Clip before opset 11."""
    limits = [
        None if (limit := node.attribute(name)) is None else node.number(limit, node.input(0))
        for name in ("min", "max")
    ]
    return node.emit(inputs=[node.input(0), *limits], attributes={})


@adapts("TopK", before=10)
def adapt_top(node: SourceNode) -> Sequence[ir.Value]:
    """TopK before opset 10."""
    count = node.builder.constant([int(node.attribute("k"))])
    return node.emit(inputs=[node.input(0), count], attributes=node.without("k"))


@adapts("TensorScatter", since=24)
def adapt_cache_update(node: SourceNode) -> Sequence[ir.Value]:
    """TensorScatter: every sample's update is written from its index on, around the end if ``circular``."""
    cache, update = node.static_shape(0), node.static_shape(1)
    axis = int(node.attribute("axis", -2)) % len(cache)
    length, capacity = update[axis], cache[axis]
    places = node.builder.constant(np.arange(length, dtype=np.int64).reshape(1, length))
    if node.optional_input(2) is not None:
        first = node.op("Unsqueeze", node.input(2), node.builder.constant([1]))
        places = node.op("Add", first, places)
    if node.attribute("mode", "linear") == "circular":
        places = node.op("Mod", places, node.builder.constant(np.asarray(capacity)))
    # (samples, 1, …, length, …, 1), broadcast over the other axes.
    layout = [-1 if index == 0 else length if index == axis else 1 for index in range(len(cache))]
    if axis == 0:
        raise RefusedNode("its axis is that of the samples")
    indices = node.op("Reshape", places, node.builder.constant(layout))
    indices = node.op("Expand", indices, node.builder.constant(list(update)))
    return (node.op("ScatterElements", node.input(0), indices, node.input(1), axis=axis),)
