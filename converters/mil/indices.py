"""Indices that count from the end, as ONNX allows.

MIL before iOS 17 counts negative indices from the end too; since then they lie outside. An embedding, which is what a
NeuralNetwork makes of rows picked from a constant matrix, takes none either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mltoolkit.converters.mil.sizes import is_known, joined

if TYPE_CHECKING:
    from mltoolkit.converters.mil.context import NodeContext

# The specification version that came with iOS 17.
_IOS17 = 8


def from_front(node: NodeContext, indices: Any, sizes: list[Any], *, always: bool = False) -> Any:
    """Indices of which none is negative, where the operation needs it.

    Args:
        node: the node.
        indices: the Var or array.
        sizes: the size of the axis; of several axes, which the last axis of the indices addresses.
        always: whether negative indices must go whatever the operating system.
    """
    constant = indices if isinstance(indices, np.ndarray) else indices.val
    known = all(is_known(size) for size in sizes)
    if constant is not None and (known or (np.asarray(constant) >= 0).all()):
        numbers = np.asarray(constant, dtype=np.int32)
        if not known:
            return numbers
        limits = np.array(sizes if len(sizes) > 1 else sizes[0], dtype=np.int32)
        if ((numbers < -limits) | (numbers >= limits)).any():
            node.refuse(f"an index lies outside an axis of {limits.tolist()} elements")
        return np.where(numbers < 0, numbers + limits, numbers).astype(np.int32)
    if not always and not needs_front(node):
        return indices
    limit: Any = joined(node, sizes)
    if len(sizes) == 1 and is_known(sizes[0]):
        limit = np.int32(sizes[0])
    elif len(sizes) == 1 and not indices.rank:
        limit = node.mb.squeeze(x=limit, axes=[0])
    return node.mb.select(cond=node.mb.less(x=indices, y=np.int32(0)), a=node.mb.add(x=indices, y=limit), b=indices)


def needs_front(node: NodeContext) -> bool:
    """Whether an index that is negative lies outside, on the operating system asked for."""
    return node.opset >= _IOS17
