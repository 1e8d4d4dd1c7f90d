"""Quantized operators of com.microsoft, as the float operator between DequantizeLinear and QuantizeLinear."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from mltoolkit.converters.onnx_import.contrib_activation import CONTRIB
from mltoolkit.converters.onnx_import.node import RefusedNode, SourceNode
from mltoolkit.converters.onnx_import.registry import adapts


def _dequantized(node: SourceNode, index: int) -> ir.Value:
    """Inputs ``index`` to ``index + 2`` are numbers, their scale and their zero point."""
    return node.op("DequantizeLinear", node.input(index), node.input(index + 1), node.optional_input(index + 2))


def _quantized(node: SourceNode, value: ir.Value, index: int) -> tuple[ir.Value, ...]:
    """Inputs ``index`` and ``index + 1`` are the result's scale and zero point."""
    return (node.op("QuantizeLinear", value, node.input(index), node.optional_input(index + 1)),)


@adapts("QuantizeLinear", "DequantizeLinear", domain=CONTRIB)
def adapt_linear(node: SourceNode) -> Sequence[ir.Value]:
    """ONNX's own."""
    return node.emit()


@adapts("QLinearAdd", "QLinearMul", domain=CONTRIB)
def adapt_binary(node: SourceNode) -> Sequence[ir.Value]:
    """Sum or product."""
    operator = node.op_type.removeprefix("QLinear")
    return _quantized(node, node.op(operator, _dequantized(node, 0), _dequantized(node, 3)), 6)


@adapts("QLinearSigmoid", "QLinearLeakyRelu", "QLinearAveragePool", domain=CONTRIB)
def adapt_unary(node: SourceNode) -> Sequence[ir.Value]:
    """An operator with one input."""
    if node.attribute("channels_last", 0):
        raise RefusedNode("its channels are last", "channels_last = 0")
    attributes = node.without("channels_last")
    operator = node.op_type.removeprefix("QLinear")
    (value,) = node.emit(operator, inputs=[_dequantized(node, 0)], attributes=attributes)
    return _quantized(node, value, 3)


@adapts("QLinearGlobalAveragePool", domain=CONTRIB)
def adapt_global_pool(node: SourceNode) -> Sequence[ir.Value]:
    """The mean over all places."""
    rank = node.rank(0)
    axes = range(1, rank - 1) if node.attribute("channels_last", 0) else range(2, rank)
    return _quantized(node, node.op("ReduceMean", _dequantized(node, 0), node.builder.constant(list(axes))), 3)


@adapts("QLinearSoftmax", domain=CONTRIB)
def adapt_softmax(node: SourceNode) -> Sequence[ir.Value]:
    """Softmax, over one axis as of opset 13."""
    axis, rank = node.axis(-1), node.rank(0)
    if int(node.attribute("opset", 13)) < 13 and axis != rank - 1:
        raise RefusedNode("it is a Softmax over several axes (opset below 13)", "the last axis")
    return _quantized(node, node.op("Softmax", _dequantized(node, 0), axis=axis), 3)


@adapts("QLinearConcat", domain=CONTRIB)
def adapt_concatenation(node: SourceNode) -> Sequence[ir.Value]:
    """Concat; the result's scale and zero point come first."""
    parts = [_dequantized(node, index) for index in range(2, len(node.inputs), 3)]
    return _quantized(node, node.op("Concat", *parts, axis=node.axis(0, 2)), 0)


@adapts("QGemm", domain=CONTRIB)
def adapt_product(node: SourceNode) -> Sequence[ir.Value]:
    """α A′ B′ + C; without a scale of the result it stays float. The bias has the scale of the product."""
    alpha = float(node.attribute("alpha", 1.0))
    inputs = [_dequantized(node, 0), _dequantized(node, 3)]
    attributes = node.without("alpha") | {"alpha": alpha}
    if node.optional_input(6) is not None:
        scale = node.op("Mul", node.input(1), node.input(4))
        if alpha != 1:
            scale = node.op("Mul", scale, node.number(alpha, scale))
        inputs.append(node.op("Mul", node.op("Cast", node.input(6), to=int(ir.DataType.FLOAT)), scale))
    (value,) = node.emit("Gemm", inputs=inputs, attributes=attributes)
    return _quantized(node, value, 7) if node.optional_input(7) is not None else (value,)


@adapts("MatMulIntegerToFloat", domain=CONTRIB)
def adapt_integer_product(node: SourceNode) -> Sequence[ir.Value]:
    """(A − a₀)(B − b₀) · a b + bias: inputs A, B, a, b, a₀, b₀, bias."""
    product = node.op("MatMulInteger", node.input(0), node.input(1), node.optional_input(4), node.optional_input(5))
    return (_scaled(node, product, node.op("Mul", node.input(2), node.input(3)), 6),)


@adapts("DynamicQuantizeMatMul", domain=CONTRIB)
def adapt_dynamic_product(node: SourceNode) -> Sequence[ir.Value]:
    """A is quantized when the model runs: inputs A, B, b, b₀, bias."""
    quantized, scale, zero = node.builder.ops("DynamicQuantizeLinear", node.input(0), names=("", "", ""))
    product = node.op("MatMulInteger", quantized, node.input(1), zero, node.optional_input(3))
    return (_scaled(node, product, node.op("Mul", scale, node.input(2)), 4),)


def _scaled(node: SourceNode, product: ir.Value, scale: ir.Value, bias: int) -> ir.Value:
    value = node.op("Mul", node.op("Cast", product, to=int(ir.DataType.FLOAT)), scale)
    return node.op("Add", value, node.input(bias)) if node.optional_input(bias) is not None else value
