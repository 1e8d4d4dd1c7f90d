"""One of two ways that a network can go on, as an ONNX If."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.neural_network.context import Exits, LayerContext
from mltoolkit.converters.neural_network.nested import inner_network
from mltoolkit.graph.builder import Dimension, GraphBuilder, known_shape
from mltoolkit.graph.common_type import common_type

Way = Callable[[], object]


@dataclass
class _End:
    """What a way leads to."""

    builder: GraphBuilder
    values: dict[str, ir.Value]
    exits: Exits | None


def either(
    context: LayerContext,
    predicate: ir.Value,
    if_true: Way,
    if_false: Way,
    *,
    inside: Sequence[Any],
    keep_one_sided: bool = False,
) -> None:
    """Emit both ways; afterwards the context's blobs are those of the way that is taken.

    Args:
        context: the layers' context.
        predicate: a bool scalar.
        if_true: converts one way.
        if_false: converts the other.
        inside: the layers of both ways; blobs that only they read are forgotten.
        keep_one_sided: whether blobs live on that only one way makes; the other then has zeros for them.
    """
    ends = [_convert(context, name, way) for name, way in (("then_branch", if_true), ("else_branch", if_false))]
    kept = _kept_blobs(context, ends, inside, keep_one_sided)
    results: list[list[ir.Value]] = [[], []]
    for name in kept:
        found = [end.values.get(name) for end in ends]
        shape = next(known_shape(value) for value in found if value is not None)
        for end, value, values in zip(ends, found, results, strict=True):
            values.append(value if value is not None else zeros(end.builder, shape))
    exits_change = any(end.exits != context.exits for end in ends)
    if exits_change:
        for end, values in zip(ends, results, strict=True):
            assert end.exits is not None
            values.extend(end.exits)
    if not results[0]:
        for end in ends:
            end.builder.discard()
        return
    bodies = {
        name: end.builder.body(values)
        for name, end, values in zip(("then_branch", "else_branch"), ends, results, strict=True)
    }
    types = [common_type(*pair) for pair in zip(*results, strict=True)]
    outputs = context.builder.control_flow("If", [predicate], bodies, types)
    for name, value in zip(kept, outputs, strict=False):
        context.builder.rename(value, name)
        context.values[name] = value
    if exits_change:
        context.exits = Exits(*outputs[-2:])


def _convert(context: LayerContext, name: str, way: Way) -> _End:
    with inner_network(context, name) as builder:
        way()
        return _End(builder, context.values, context.exits)


def _kept_blobs(context: LayerContext, ends: Sequence[_End], inside: Sequence[Any], keep_one_sided: bool) -> list[str]:
    changed = [
        name
        for name in dict.fromkeys(name for end in ends for name in end.values)
        if any(end.values.get(name) is not context.values.get(name) for end in ends)
        and (keep_one_sided or all(name in end.values for end in ends))
    ]
    if context.uses is None:
        return changed
    needed = context.uses.needed_outside(inside, changed)
    return [name for name in changed if name in needed]


def zeros(builder: GraphBuilder, shape: tuple[Dimension, ...] | None) -> ir.Value:
    """A stand-in for a blob that does not exist yet: zeros of its shape, none where a size is unknown."""
    sizes = [0] if shape is None else [size if isinstance(size, int) else 0 for size in shape]
    tensor = ir.tensor(np.zeros(1, dtype=np.float32))
    return builder.op(
        "ConstantOfShape", builder.constant(np.array(sizes, dtype=np.int64)), attributes={"value": tensor}
    )
