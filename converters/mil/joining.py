"""Concat and Split."""

from __future__ import annotations

from typing import Any

from mltoolkit.converters.mil.context import NodeContext
from mltoolkit.converters.mil.kinds import cast_to_kind, kind_of
from mltoolkit.converters.mil.registry import writes
from mltoolkit.converters.mil.sizes import is_known, non_negative_axis


@writes("Concat")
def write_concat(node: NodeContext) -> Any:
    """Concat."""
    values = node.inputs()
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
    if any(size <= 0 for size in sizes):
        node.refuse("a part of it is empty", "parts of at least one element")
    if count == 1:
        return node.mb.identity(x=x)

    def split(value: Any) -> Any:
        return node.mb.split(x=value, split_sizes=sizes, axis=axis)

    if kind_of(x) != "b":
        return list(split(x))
    return [node.mb.cast(x=part, dtype="bool") for part in split(cast_to_kind(node, x, "i"))]
