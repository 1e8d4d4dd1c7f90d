"""Operators of ai.onnx.ml that are plain arithmetic."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.onnx_import.node import SourceNode
from mltoolkit.converters.onnx_import.registry import adapts

_DOMAIN = "ai.onnx.ml"


@adapts("ArrayFeatureExtractor", domain=_DOMAIN)
def adapt_feature_extractor(node: SourceNode) -> Sequence[ir.Value]:
    """Columns of the last axis; a vector counts as one row."""
    rank = node.rank(0)
    columns = node.op("Reshape", node.input(1), node.builder.constant([-1]))
    value = node.input(0)
    if rank == 1:
        value, rank = node.op("Unsqueeze", value, node.builder.constant([0])), 2
    return (node.op("Gather", value, columns, axis=rank - 1),)


@adapts("Binarizer", domain=_DOMAIN)
def adapt_binarizer(node: SourceNode) -> Sequence[ir.Value]:
    """1 above the threshold, else 0."""
    value = node.input(0)
    assert value.dtype is not None
    above = node.op("Greater", value, node.number(float(node.attribute("threshold", 0.0)), value))
    return (node.op("Cast", above, to=int(value.dtype)),)


@adapts("Scaler", domain=_DOMAIN)
def adapt_scaler(node: SourceNode) -> Sequence[ir.Value]:
    """(x − offset) · scale, in float32."""
    value = node.op("Cast", node.input(0), to=int(ir.DataType.FLOAT))
    for name, op_type in (("offset", "Sub"), ("scale", "Mul")):
        numbers = node.attribute(name)
        if numbers:
            value = node.op(op_type, value, node.builder.constant(np.asarray(numbers, dtype=np.float32)))
    return (value,)
