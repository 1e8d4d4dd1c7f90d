"""Attention of com.microsoft, as onnxruntime's optimizer for transformers writes it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.onnx_import.contrib_activation import CONTRIB
from mltoolkit.converters.onnx_import.node import RefusedNode, SourceNode
from mltoolkit.converters.onnx_import.registry import adapts


@adapts("Attention", domain=CONTRIB)
def adapt_attention(node: SourceNode) -> Sequence[ir.Value]:
    """Self-attention with one product for queries, keys and values.

    Inputs: words (B, S, D), weights (D, 3 H), bias (3 H), mask (B, S), past, what is added to the scores.
    """
    _refuse(node, {4: "a past", 6: "a past sequence length"}, outputs=1)
    if node.attribute("qkv_hidden_sizes") or node.attribute("do_rotary", 0):
        raise RefusedNode("it has queries and values of different sizes, or rotates them", "equal sizes")
    product = node.op("MatMul", node.input(0), node.input(1))
    if node.optional_input(2) is not None:
        product = node.op("Add", product, node.input(2))
    parts = node.builder.ops("Split", product, attributes={"axis": 2, "num_outputs": 3}, names=("", "", ""))
    mask = node.optional_input(3)
    return (_attend(node, *parts, mask=mask, added=node.optional_input(5)),)


@adapts("MultiHeadAttention", domain=CONTRIB)
def adapt_multi_head_attention(node: SourceNode) -> Sequence[ir.Value]:
    """Attention of queries, keys and values (B, S, D) that are projected already; a bias (3 D) is added to them."""
    _refuse(node, {6: "a past", 7: "a past", 8: "a past sequence length"}, outputs=1)
    if node.optional_input(1) is None or node.rank(1) != 3 or node.optional_input(2) is None or node.rank(2) != 3:
        raise RefusedNode("its queries, keys and values are packed into one array", "three arrays of three axes")
    parts = [node.input(index) for index in range(3)]
    if node.optional_input(3) is not None:
        biases = node.builder.ops("Split", node.input(3), attributes={"axis": 0, "num_outputs": 3}, names=("",) * 3)
        parts = [node.op("Add", part, bias) for part, bias in zip(parts, biases, strict=True)]
    return (_attend(node, *parts, mask=node.optional_input(4), added=node.optional_input(5)),)


def _refuse(node: SourceNode, inputs: dict[int, str], outputs: int) -> None:
    for index, what in inputs.items():
        if node.optional_input(index) is not None:
            raise RefusedNode(f"it takes {what}", "attention without a cache")
    if any(node.has_output(index) for index in range(outputs, node.output_count)):
        raise RefusedNode("it gives out keys and values", "attention without a cache")


def _attend(
    node: SourceNode,
    query: ir.Value,
    key: ir.Value,
    value: ir.Value,
    *,
    mask: ir.Value | None,
    added: ir.Value | None,
) -> ir.Value:
    heads = int(node.attribute("num_heads"))
    width = query.shape[2] if query.shape is not None else None
    if not isinstance(width, int) or not heads or width % heads:
        raise RefusedNode(f"its width {width} is not divided by its {heads} heads")
    constant = node.builder.constant

    def split(whole: ir.Value, perm: list[int]) -> ir.Value:
        return node.op("Transpose", node.op("Reshape", whole, constant([0, 0, heads, -1])), perm=perm)

    scale = float(node.attribute("scale", 0.0)) or 1 / math.sqrt(width // heads)
    scores = node.op("MatMul", split(query, [0, 2, 1, 3]), split(key, [0, 2, 3, 1]))
    scores = node.op("Mul", scores, node.number(scale, scores))
    filled = float(node.attribute("mask_filter_value", -10000.0))
    if mask is not None:
        scores = node.op("Add", scores, _penalty(node, mask, scores, filled))
    if node.attribute("unidirectional", 0):
        rows, columns = (scores.shape[axis] if scores.shape is not None else None for axis in (2, 3))
        if not isinstance(rows, int) or not isinstance(columns, int):
            raise RefusedNode("it looks back only, over a length that is not known")
        assert scores.dtype is not None
        later = np.triu(np.full((rows, columns), filled), 1 + columns - rows)
        scores = node.op("Add", scores, constant(later.astype(scores.dtype.numpy())))
    if added is not None:
        scores = node.op("Add", scores, added)
    mixed = node.op("MatMul", node.op("Softmax", scores, axis=3), split(value, [0, 2, 1, 3]))
    return node.op("Reshape", node.op("Transpose", mixed, perm=[0, 2, 1, 3]), constant([0, 0, -1]))


def _penalty(node: SourceNode, mask: ir.Value, scores: ir.Value, filled: float) -> ir.Value:
    """What is added to the scores of keys that a mask of zeros and ones (B, S) hides."""
    assert scores.dtype is not None
    if mask.shape is None or len(mask.shape) != 2:
        raise RefusedNode("its mask is no array of zeros and ones for each key", "a mask of shape (batch, keys)")
    ones = node.op("Cast", mask, to=int(scores.dtype))
    hidden = node.op("Mul", node.op("Sub", node.number(1, scores), ones), node.number(filled, scores))
    return node.op("Unsqueeze", hidden, node.builder.constant([1, 2]))
