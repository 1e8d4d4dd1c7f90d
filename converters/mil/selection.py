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
    """``condition ? first : second``, all broadcast; Vars or arrays."""
    mb = node.mb
    if kind_of(first) == "b":
        chosen = mb.logical_and(x=condition, y=first)
        return mb.logical_or(x=chosen, y=mb.logical_and(x=mb.logical_not(x=condition), y=second))
    if not _covers(condition, first, second):
        # The shape that it has together with the condition.
        zeros = mb.mul(x=cast_to_kind(node, condition, kind_of(first)), y=like(first, 0))
        first = mb.add(x=zeros, y=first)
    return mb.select(cond=condition, a=first, b=second)


def _covers(condition: Any, first: Any, second: Any) -> bool:
    """Whether the two values have the result's shape without the condition."""
    shapes = [list(np.shape(x) if isinstance(x, np.ndarray | np.generic) else x.shape) for x in (first, second)]
    wanted = list(condition.shape)
    rank = max(len(shape) for shape in shapes)
    if rank < len(wanted):
        return False
    padded = [[1] * (rank - len(shape)) + shape for shape in (*shapes, wanted)]
    return all(size in (one, other) or size == 1 for one, other, size in zip(*padded, strict=True))
