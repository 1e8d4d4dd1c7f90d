"""Softmax over everything behind an axis, as it was before opset 13."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from mltoolkit.converters.onnx_import.node import SourceNode
from mltoolkit.converters.onnx_import.registry import adapts


@adapts("Softmax", "LogSoftmax", "Hardmax", before=13)
def adapt_softmax(node: SourceNode) -> Sequence[ir.Value]:
    """The newer operator where what stands behind the axis has size 1, else on the flattened array."""
    shape, rank = node.shape(0), node.rank(0)
    axis = int(node.attribute("axis", 1))
    axis = axis + rank if axis < 0 else axis
    if axis < rank and all(size == 1 for size in shape[axis + 1 :]):
        return (node.op(node.op_type, node.input(0), axis=axis),)
    flat = node.op(node.op_type, node.op("Flatten", node.input(0), axis=axis), axis=1)
    sizes: ir.Value
    if all(isinstance(size, int) for size in shape):
        sizes = node.builder.constant([size for size in shape if isinstance(size, int)])
    else:
        sizes = node.op("Shape", node.input(0))
    return (node.op("Reshape", flat, sizes),)
