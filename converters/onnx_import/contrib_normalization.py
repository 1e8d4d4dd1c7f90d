"""Layer normalisations of onnxruntime: in com.microsoft, and in ONNX's own domain before ONNX had them."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from mltoolkit.converters.onnx_import.contrib_activation import CONTRIB
from mltoolkit.converters.onnx_import.node import RefusedNode, SourceNode
from mltoolkit.converters.onnx_import.registry import adapts

# onnxruntime's own for the operators with a skip connection.
_SKIP_EPSILON = 1e-12


@adapts("LayerNormalization", before=17)
@adapts("LayerNormalization", domain=CONTRIB)
def adapt_layer_normalization(node: SourceNode) -> Sequence[ir.Value]:
    """ONNX's LayerNormalization."""
    return node.emit()


@adapts("SimplifiedLayerNormalization")
@adapts("SimplifiedLayerNormalization", domain=CONTRIB)
def adapt_root_mean_square(node: SourceNode) -> Sequence[ir.Value]:
    """x / √(mean x² + ε) · scale."""
    rank = node.rank(0)
    axis = int(node.attribute("axis", -1)) % rank
    value = node.input(0)
    return _root_mean_square(node, value, node.input(1), axis, rank, float(node.attribute("epsilon", 1e-5)))


def _root_mean_square(
    node: SourceNode, value: ir.Value, scale: ir.Value, axis: int, rank: int, epsilon: float
) -> list[ir.Value]:
    axes = node.builder.constant(list(range(axis, rank)))
    mean = node.op("ReduceMean", node.op("Mul", value, value), axes)
    deviation = node.op("Sqrt", node.op("Add", mean, node.number(epsilon, mean)))
    normal = node.op("Mul", node.op("Div", value, deviation), scale)
    return [normal, node.op("Reciprocal", deviation)][: max(node.output_count, 1)]


@adapts("SkipLayerNormalization", domain=CONTRIB)
def adapt_skip_normalization(node: SourceNode) -> Sequence[ir.Value]:
    """LayerNormalization of input + skip + bias, and that sum."""
    total = _sum(node, bias=4)
    inputs = [total, node.input(2)] + ([node.input(3)] if node.optional_input(3) is not None else [])
    names = ("", "", "")[: min(max(node.output_count, 1), 3)]
    results = node.builder.ops(
        "LayerNormalization",
        *inputs,
        attributes={"axis": node.rank(0) - 1, "epsilon": float(node.attribute("epsilon", _SKIP_EPSILON))},
        names=names,
    )
    return [*results, total][: node.output_count]


@adapts("SkipSimplifiedLayerNormalization", domain=CONTRIB)
def adapt_skip_root_mean_square(node: SourceNode) -> Sequence[ir.Value]:
    """x / √(mean x² + ε) · scale of x = input + skip + bias, and that sum."""
    total, rank = _sum(node, bias=3), node.rank(0)
    epsilon = float(node.attribute("epsilon", _SKIP_EPSILON))
    axes = node.builder.constant([rank - 1])
    mean = node.op("ReduceMean", node.op("Mul", total, total), axes)
    deviation = node.op("Sqrt", node.op("Add", mean, node.number(epsilon, mean)))
    normal = node.op("Mul", node.op("Div", total, deviation), node.input(2))
    if node.has_output(1):
        raise RefusedNode("it gives out the mean, which this normalisation does not have")
    return [normal, mean, node.op("Reciprocal", deviation), total][: node.output_count]


def _sum(node: SourceNode, bias: int) -> ir.Value:
    total = node.op("Add", node.input(0), node.input(1))
    return node.op("Add", total, node.input(bias)) if node.optional_input(bias) is not None else total


@adapts("EmbedLayerNormalization", domain=CONTRIB)
def adapt_embedding(node: SourceNode) -> Sequence[ir.Value]:
    """LayerNormalization of the sum of word, place and segment embeddings; the number of unmasked words."""
    words = node.op("Gather", node.input(2), node.input(0), axis=0)
    if node.optional_input(8) is not None:
        places = node.op("Gather", node.input(3), node.input(8), axis=0)
    else:
        length = node.static_shape(0)[1]
        bounds = [node.builder.constant([bound]) for bound in (0, length)]
        places = node.op("Slice", node.input(3), *bounds, node.builder.constant([0]))
    total = node.op("Add", words, places)
    if node.optional_input(1) is not None and node.optional_input(4) is not None:
        total = node.op("Add", total, node.op("Gather", node.input(4), node.input(1), axis=0))
    epsilon = float(node.attribute("epsilon", _SKIP_EPSILON))
    normal = node.op("LayerNormalization", total, node.input(5), node.input(6), axis=2, epsilon=epsilon)
    outputs = [normal]
    if node.output_count > 1:
        if node.optional_input(7) is not None:
            count = node.op("ReduceSum", node.input(7), node.builder.constant([1]), keepdims=0)
        elif node.has_output(1):
            raise RefusedNode("it counts the words of a mask that is not given", "a mask")
        else:
            count = normal
        outputs += [count, total]
    return outputs[: node.output_count]
