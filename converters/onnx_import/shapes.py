"""Sizes that are known before the model runs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.onnx_import.node import SourceNode
from mltoolkit.converters.onnx_import.partial_values import elements_of, expand_target, reshape_target
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


@adapts("Reshape")
def adapt_reshape(node: SourceNode) -> Sequence[ir.Value]:
    """A Reshape with a constant target, where at most one size has to be computed."""
    shape, elements = known_shape(node.input(0)), elements_of(node.input(1))
    if node.constant(1) is not None or shape is None or elements is None or node.attribute("allowzero", 0):
        return node.emit()
    target = reshape_target(elements, shape)
    if target is None:
        return node.emit()
    (value,) = node.emit(inputs=[node.input(0), node.builder.constant(target)])
    known = known_shape(value)
    if known is not None and len(known) == len(elements):
        value.shape = ir.Shape(
            [
                element if size is None and not isinstance(element, int) else size
                for size, element in zip(known, elements, strict=True)
            ]
        )
    return (value,)


@adapts("Expand")
def adapt_expand(node: SourceNode) -> Sequence[ir.Value]:
    """An Expand with a constant target, where open sizes are those of the array."""
    shape, elements = known_shape(node.input(0)), elements_of(node.input(1))
    if node.constant(1) is not None or shape is None or elements is None:
        return node.emit()
    target = expand_target(elements, shape)
    return node.emit() if target is None else node.emit(inputs=[node.input(0), node.builder.constant(target)])
