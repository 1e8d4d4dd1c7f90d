"""Sizes that are known before the model runs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.onnx_import.node import SourceNode
from mltoolkit.converters.onnx_import.registry import adapts
from mltoolkit.graph.builder import known_shape


@adapts("Shape")
def adapt_shape(node: SourceNode) -> Sequence[ir.Value]:
    """A constant, where the sizes asked for are known."""
    sizes = known_shape(node.input(0))
    if sizes is not None:
        asked = sizes[node.attribute("start", 0) : node.attribute("end")]
        if all(isinstance(size, int) for size in asked):
            return (node.builder.constant(np.asarray(asked, dtype=np.int64)),)
    return node.emit()


@adapts("Size")
def adapt_size(node: SourceNode) -> Sequence[ir.Value]:
    """A constant, where all sizes are known."""
    sizes = known_shape(node.input(0))
    if sizes is not None and all(isinstance(size, int) for size in sizes):
        count = math.prod(size for size in sizes if isinstance(size, int))
        return (node.builder.constant(np.asarray(count, dtype=np.int64)),)
    return node.emit()
