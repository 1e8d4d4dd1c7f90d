"""Axes that were an attribute and are an input now."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.onnx_import.node import SourceNode
from mltoolkit.converters.onnx_import.registry import adapts
from mltoolkit.graph.builder import known_shape


@adapts("Squeeze", before=13)
def adapt_squeeze(node: SourceNode) -> Sequence[ir.Value]:
    """Squeeze before opset 13."""
    return _with_axes(node, "axes")


@adapts("Unsqueeze")
def adapt_unsqueeze(node: SourceNode) -> Sequence[ir.Value]:
    """An element that was taken out of a vector and becomes a vector of one: taken out as that."""
    element = _as_vector(node)
    if element is not None:
        return (element,)
    return _with_axes(node, "axes") if node.version < 13 else node.emit()


def _as_vector(node: SourceNode) -> ir.Value | None:
    taken = node.input(0).producer()
    if taken is None or taken.op_type != "Gather" or node.rank(0):
        return None
    data, place = taken.inputs
    if data is None or place is None or place.const_value is None or known_shape(data) in (None, ()):
        return None
    return node.op("Gather", data, node.builder.constant(place.const_value.numpy().reshape(1)), axis=0)


@adapts("ReduceSum", before=13)
def adapt_sum(node: SourceNode) -> Sequence[ir.Value]:
    """ReduceSum before opset 13."""
    return _with_axes(node, "axes")


@adapts(
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSumSquare",
    before=18,
)
def adapt_reduction(node: SourceNode) -> Sequence[ir.Value]:
    """The other reductions before opset 18."""
    return _with_axes(node, "axes")


@adapts("DFT", before=20)
def adapt_fourier(node: SourceNode) -> Sequence[ir.Value]:
    """DFT before opset 20; its axis was 1 by default."""
    axis = node.builder.constant(np.asarray(node.attribute("axis", 1)))
    return node.emit(inputs=[node.input(0), node.optional_input(1), axis], attributes=node.without("axis"))


def _with_axes(node: SourceNode, name: str) -> Sequence[ir.Value]:
    axes = node.attribute(name)
    inputs = [node.input(0)] + ([node.builder.constant(axes)] if axes else [])
    return node.emit(inputs=inputs, attributes=node.without(name))
