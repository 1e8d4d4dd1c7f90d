"""Convolutions and products of com.microsoft that have more fused into them."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from mltoolkit.converters.onnx_import.contrib_activation import CONTRIB, activated
from mltoolkit.converters.onnx_import.node import RefusedNode, SourceNode
from mltoolkit.converters.onnx_import.registry import adapts


@adapts("FusedConv", domain=CONTRIB)
def adapt_fused_convolution(node: SourceNode) -> Sequence[ir.Value]:
    """activation(Conv(X, W, B) + Z)."""
    attributes = node.without("activation", "activation_params")
    (value,) = node.emit("Conv", inputs=list(node.inputs[:3]), attributes=attributes)
    if node.optional_input(3) is not None:
        value = node.op("Add", value, node.input(3))
    return (activated(node, value, node.attribute("activation", ""), node.attribute("activation_params", [])),)


@adapts("FusedGemm", domain=CONTRIB)
def adapt_fused_product(node: SourceNode) -> Sequence[ir.Value]:
    """activation(Gemm)."""
    names = ("activation_alpha", "activation_beta", "activation_gamma")
    (value,) = node.emit("Gemm", attributes=node.without("activation", *names))
    parameters = [node.attribute(name) for name in names if name in node.attributes]
    return (activated(node, value, node.attribute("activation", ""), parameters),)


@adapts("FusedMatMul", "TransposeMatMul", domain=CONTRIB)
def adapt_scaled_product(node: SourceNode) -> Sequence[ir.Value]:
    """α · A′ B′, each transposed in its last two axes if asked for."""
    if node.attribute("transBatchA", 0) or node.attribute("transBatchB", 0):
        raise RefusedNode("it transposes the batch (transBatchA, transBatchB)", "transA and transB")
    factors = [
        _transposed(node, index) if node.attribute(name, 0) else node.input(index)
        for index, name in enumerate(("transA", "transB"))
    ]
    value, alpha = node.op("MatMul", *factors), float(node.attribute("alpha", 1.0))
    return (value if alpha == 1 else node.op("Mul", value, node.number(alpha, value)),)


def _transposed(node: SourceNode, index: int) -> ir.Value:
    rank = node.rank(index)
    if rank < 2:
        return node.input(index)
    return node.op("Transpose", node.input(index), perm=[*range(rank - 2), rank - 1, rank - 2])


@adapts("GridSample", domain=CONTRIB)
def adapt_grid_sample(node: SourceNode) -> Sequence[ir.Value]:
    """GridSample with the first names of its modes."""
    modes = {"bilinear": "linear", "bicubic": "cubic", "nearest": "nearest"}
    return node.emit(attributes=node.without("mode") | {"mode": modes[node.attribute("mode", "bilinear")]})


@adapts("Trilu", domain=CONTRIB)
def adapt_triangle(node: SourceNode) -> Sequence[ir.Value]:
    """Trilu before ONNX had it."""
    return node.emit()


@adapts("Pad", domain=CONTRIB)
def adapt_pad(node: SourceNode) -> Sequence[ir.Value]:
    """Pad with its pads as input, before ONNX had it."""
    return node.emit()
