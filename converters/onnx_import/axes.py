"""Axes that were an attribute and are an input now."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.onnx_import.node import SourceNode
from mltoolkit.converters.onnx_import.registry import adapts


@adapts("Squeeze", "Unsqueeze", before=13)
def adapt_squeeze(node: SourceNode) -> Sequence[ir.Value]:
    """Squeeze and Unsqueeze before opset 13."""
    return _with_axes(node, "axes")


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
