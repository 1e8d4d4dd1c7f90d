"""Where, and the choice between two values for all writers.

coremltools 9 gives ``select`` the shape that its two values have together, whatever the condition's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mltoolkit.converters.mil.kinds import cast_to_kind, kind_of, like
from mltoolkit.converters.mil.registry import writes

if TYPE_CHECKING:
    from mltoolkit.converters.mil.context import NodeContext


@writes("Where")
def write_where(node: NodeContext) -> Any:
    """``condition ? x : y``, broadcast."""
    return selected(node, node.input(0), node.input(1), node.input(2))


def selected(node: NodeContext, condition: Any, first: Any, second: Any) -> Any:
    """``condition ? first : second``, all broadcast; Vars or arrays, of which one at least is a Var."""
    if not _covers(condition, first, second):
        first = _spread(node, first, condition)
    return node.mb.select(cond=condition, a=first, b=second)


def _covers(condition: Any, first: Any, second: Any) -> bool:
    """Whether the two values have the result's shape without the condition."""
    shapes = [list(np.shape(x) if isinstance(x, np.ndarray | np.generic) else x.shape) for x in (first, second)]
    wanted = list(condition.shape)
    rank = max(len(shape) for shape in shapes)
    if rank < len(wanted):
        return False
    padded = [[1] * (rank - len(shape)) + shape for shape in (*shapes, wanted)]
    return all(size in (one, other) or size == 1 for one, other, size in zip(*padded, strict=True))


def _spread(node: NodeContext, x: Any, condition: Any) -> Any:
    """A value in the shape that it has together with a condition."""
    mb = node.mb
    if kind_of(x) == "b":
        never = mb.logical_and(x=condition, y=mb.logical_not(x=condition))
        return mb.logical_or(x=never, y=x)
    zeros = mb.mul(x=cast_to_kind(node, condition, kind_of(x)), y=like(x, 0))
    return mb.add(x=zeros, y=x)
