"""Softmax and LogSoftmax along one axis."""

from __future__ import annotations

from typing import Any

from mltoolkit.converters.mil.context import NodeContext
from mltoolkit.converters.mil.registry import writes
from mltoolkit.converters.mil.sizes import non_negative_axis


@writes("Softmax")
def write_softmax(node: NodeContext) -> Any:
    """Softmax."""
    x = node.input(0)
    return node.mb.softmax(x=x, axis=non_negative_axis(node.attribute("axis", -1), x.rank))


@writes("LogSoftmax")
def write_log_softmax(node: NodeContext) -> Any:
    """LogSoftmax: x - max - log(sum(exp(x - max)))."""
    mb, x = node.mb, node.input(0)
    axes = [non_negative_axis(node.attribute("axis", -1), x.rank)]
    shifted = mb.sub(x=x, y=mb.reduce_max(x=x, axes=axes, keep_dims=True))
    total = mb.reduce_sum(x=mb.exp(x=shifted), axes=axes, keep_dims=True)
    return mb.sub(x=shifted, y=mb.log(x=total, epsilon=node.least_epsilon))
