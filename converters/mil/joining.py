"""Concat and Split."""

from __future__ import annotations

from typing import Any

import numpy as np

from mltoolkit.converters.mil.context import NodeContext
from mltoolkit.converters.mil.kinds import cast_to_kind, kind_of
from mltoolkit.converters.mil.registry import writes
from mltoolkit.converters.mil.sizes import is_known, non_negative_axis


@writes("Concat")
def write_concat(node: NodeContext) -> Any:
    """Concat."""
    # Empty parts, which Core ML cannot hold, are only known here.
    places = [index for index in range(len(node.node.inputs)) if 0 not in node.shape(index)]
    if not places:
        node.refuse("its result is empty", "parts of at least one element")
    values = [node.input(index) for index in places]
    kind, axis = kind_of(values[0]), node.attribute("axis")
    axis = non_negative_axis(axis, values[0].rank)
    if len(values) == 1:
        return node.mb.identity(x=values[0])
    if kind != "b":
        return node.mb.concat(values=values, axis=axis)
    joined = node.mb.concat(values=[cast_to_kind(node, value, "i") for value in values], axis=axis)
    return node.mb.cast(x=joined, dtype="bool")


@writes("Split")
def write_split(node: NodeContext) -> Any:
    """Split into given sizes, or into equal parts of which the last may be shorter."""
    x, count = node.input(0), len(node.outputs)
    axis = non_negative_axis(node.attribute("axis", 0), x.rank)
    sizes = node.ints(1, "split")
    if sizes is None:
        if not is_known(x.shape[axis]):
            node.refuse("it splits a flexible size into equal parts", "Split with given sizes")
        size = int(x.shape[axis])
        part = -(-size // count)
        sizes = [part] * (count - 1) + [size - part * (count - 1)]
    filled = [size for size in sizes if size]
    if any(size < 0 for size in sizes) or not filled:
        node.refuse("all of it is empty, or a part less than that", "parts of at least one element")
    if len(filled) == 1:
        parts = [node.mb.identity(x=x)]
    else:
        bools = kind_of(x) == "b"
        value = cast_to_kind(node, x, "i") if bools else x
        parts = list(node.mb.split(x=value, split_sizes=filled, axis=axis))
        parts = [node.mb.cast(x=part, dtype="bool") for part in parts] if bools else parts
    remaining = iter(parts)
    return [next(remaining) if size else _empty(node, x, axis) for size in sizes]


def _empty(node: NodeContext, x: Any, axis: int) -> Any:
    """A part without elements, for the writers that can leave it out."""
    if not all(is_known(size) for size in x.shape):
        node.refuse("a part of it is empty", "parts of at least one element")
    return np.zeros([0 if other == axis else int(size) for other, size in enumerate(x.shape)], np.float32)
