"""Attention layers."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.keras.context import LayerContext
from mltoolkit.converters.keras.einsum import einsum
from mltoolkit.converters.keras.operations_unary import as_type
from mltoolkit.converters.keras.registry import converts, converts_operation
from mltoolkit.converters.keras.tensors import Tensor
from mltoolkit.graph.builder import shape_of

# What takes the place of a score that must not count; its power is 0 in float32 and it fits into float16.
_NOTHING = -30000.0
_BOOL = np.dtype(np.bool_)


@converts("MultiHeadAttention", "GroupQueryAttention", "GroupedQueryAttention", masks=True)
def convert_multi_head_attention(context: LayerContext) -> list[Tensor]:
    """softmax(q · kᵀ / √size) · v of each head, between projections of query, key, value and result."""
    layer = context.source
    query, value = context.argument("query"), context.argument("value")
    key = value if context.argument("key") is None else context.argument("key")
    mask = _attention_mask(context, query, key, value)
    q, k, v = (
        context.layouts.logical(context.apply(projection, tensor)[0])
        for projection, tensor in ((layer._query_dense, query), (layer._key_dense, key), (layer._value_dense, value))
    )
    repeats = int(getattr(layer, "num_repeats", 1))
    if repeats > 1:
        k, v = (_repeated(context, heads, repeats) for heads in (k, v))
    is_grouped = hasattr(layer, "head_dim")
    scale = 1 / math.sqrt(layer.head_dim if is_grouped else layer.key_dim)
    if not is_grouped and len(shape_of(q)) != 4:
        result, scores = _over_several_axes(context, q, k, v, mask, scale)
    else:
        result, scores = dot_product_attention(context, q, k, v, scale, mask)
    gate = getattr(layer, "_gate_dense", None)
    if gate is not None:
        result = context.op("Mul", result, context.layouts.logical(context.apply(gate, query)[0]))
    output = context.apply(layer._output_dense, Tensor(result))[0]
    output = Tensor(output.value, output.moved, query.mask)
    return [output, Tensor(scores)] if context.argument("return_attention_scores") else [output]


def _repeated(context: LayerContext, heads: ir.Value, repeats: int) -> ir.Value:
    """Each head of (N, S, heads, size) several times."""
    count = shape_of(heads)[2]
    assert isinstance(count, int)
    return context.op("Gather", heads, context.constant(np.repeat(np.arange(count), repeats)), axis=2)


def _attention_mask(context: LayerContext, query: Tensor, key: Tensor, value: Tensor) -> ir.Value | None:
    """Which key counts for which query: (N, T, S) or what broadcasts to it."""
    layer = context.source
    parts = []
    for name, tensor, axis in (("query_mask", query, 2), ("value_mask", value, 1), ("key_mask", key, 1)):
        mask = context.argument(name)
        found = context.layouts.logical(mask) if isinstance(mask, Tensor) else _own_mask(context, name, tensor)
        if found is not None:
            parts.append(context.op("Unsqueeze", found, context.constant([axis])))
    steps, others = query.shape[1], value.shape[1]
    window = getattr(layer, "_sliding_window", None) or getattr(layer, "sliding_window", None)
    if context.argument("use_causal_mask") or window:
        if not isinstance(steps, int) or not isinstance(others, int):
            context.refuse("the number of steps is only known when the model runs", "an input of fixed size")
        distance = np.arange(steps)[:, None] - np.arange(others)
        if context.argument("use_causal_mask"):
            parts.append(context.constant((distance >= 0)[None]))
        if window:
            parts.append(context.constant((np.abs(distance) < window)[None]))
    given = context.argument("attention_mask")
    if given is not None:
        parts.append(context.layouts.logical(as_type(context, context.operand(given), _BOOL)))
    return functools.reduce(lambda one, other: context.op("And", one, other), parts) if parts else None


def _own_mask(context: LayerContext, name: str, tensor: Tensor) -> ir.Value | None:
    """Keras' mask of an argument; that of a key which is the value counts once."""
    if tensor.mask is None or (name == "key_mask" and context.argument("key") is None):
        return None
    if tensor.mask.value is None:
        context.refuse("how the mask of its input is made is not known")
    return tensor.mask.value


def dot_product_attention(
    context: LayerContext,
    query: ir.Value,
    key: ir.Value,
    value: ir.Value,
    scale: float,
    mask: ir.Value | None,
    bias: ir.Value | None = None,
    soft_cap: float | None = None,
) -> tuple[ir.Value, ir.Value]:
    """Attention of heads.

    Args:
        context: the layer.
        query: (N, T, heads, size).
        key: (N, S, heads, size).
        value: (N, S, heads, width).
        scale: factor of the scores.
        mask: which scores count, (N, T, S) or (N, heads or 1, T, S), or what broadcasts to it.
        bias: added to the scores.
        soft_cap: scores are squashed within ± this.

    Returns:
        The results (N, T, heads, width) and the scores (N, heads, T, S).
    """
    q = context.op("Transpose", query, perm=[0, 2, 1, 3])
    k = context.op("Transpose", key, perm=[0, 2, 3, 1])
    v = context.op("Transpose", value, perm=[0, 2, 1, 3])
    scores = context.op("MatMul", context.op("Mul", q, context.constant(scale)), k)
    if soft_cap is not None:
        cap = context.constant(float(soft_cap))
        scores = context.op("Mul", context.op("Tanh", context.op("Div", scores, cap)), cap)
    if bias is not None:
        scores = context.op("Add", scores, bias)
    if mask is not None and len(shape_of(mask)) == 3:
        mask = context.op("Unsqueeze", mask, context.constant([1]))
    weights = _weights(context, scores, mask, 3)
    return context.op("Transpose", context.op("MatMul", weights, v), perm=[0, 2, 1, 3]), weights


def _weights(context: LayerContext, scores: ir.Value, mask: ir.Value | None, axis: int) -> ir.Value:
    if mask is not None:
        scores = context.op("Where", mask, scores, context.constant(_NOTHING))
    return context.op("Softmax", scores, axis=axis)


def _over_several_axes(
    context: LayerContext, query: ir.Value, key: ir.Value, value: ir.Value, mask: ir.Value | None, scale: float
) -> tuple[ir.Value, ir.Value]:
    """Heads of tensors with more than one axis of steps, by the layer's own equations."""
    layer = context.source
    if mask is not None:
        context.refuse("it has a mask and attends over other axes than one", "attention over one axis")
    scores = einsum(context, layer._dot_product_equation, [key, context.op("Mul", query, context.constant(scale))])
    rank = len(shape_of(scores))
    axes = list(range(rank - len(layer._attention_axes), rank))
    if len(axes) > 1:
        joined = context.op("Flatten", scores, axis=axes[0])
        sizes = context.constant([size for size in shape_of(scores) if isinstance(size, int)])
        weights = context.op("Reshape", context.op("Softmax", joined, axis=1), sizes)
    else:
        weights = context.op("Softmax", scores, axis=axes[0])
    return einsum(context, layer._combine_equation, [weights, value]), weights


@converts_operation("DotProductAttention")
def convert_dot_product_attention(context: LayerContext) -> Tensor:
    """``keras.ops.dot_product_attention``."""
    source = context.source
    query, key, value = (context.layouts.logical(context.argument(name)) for name in ("query", "key", "value"))
    if shape_of(query)[2] != shape_of(key)[2]:
        context.refuse("its query has other heads than its key", "as many heads of key and value")
    given, bias, scale = (context.argument(name) for name in ("mask", "bias", "scale"))
    parts = [] if given is None else [context.layouts.logical(as_type(context, context.operand(given), _BOOL))]
    if source.is_causal:
        steps, others = shape_of(query)[1], shape_of(key)[1]
        if not isinstance(steps, int) or not isinstance(others, int):
            context.refuse("the number of steps is only known when the model runs", "an input of fixed size")
        parts.append(context.constant(np.tri(steps, others, dtype=np.bool_)[None, None]))
    size = shape_of(query)[3]
    assert isinstance(size, int)
    result, _ = dot_product_attention(
        context,
        query,
        key,
        value,
        1 / np.sqrt(size) if scale is None else float(scale),
        functools.reduce(lambda one, other: context.op("And", one, other), parts) if parts else None,
        None if bias is None else context.layouts.logical(context.operand(bias)),
        source.attn_logits_soft_cap,
    )
    return Tensor(result)


@converts("Attention", "AdditiveAttention", masks=True)
def convert_attention(context: LayerContext) -> list[Tensor]:
    """softmax(scores) · value; the scores are q · kᵀ, or sums of tanh(q + k) (Bahdanau et al. 2015)."""
    query, value, *rest = context.args[0]
    q, v = context.layouts.logical(query), context.layouts.logical(value)
    k = context.layouts.logical(rest[0]) if rest else v
    masks = context.argument("mask") or [query.mask, value.mask]
    q_mask, v_mask = (_mask_value(context, mask) for mask in masks[:2])
    scores = _scores(context, q, k)
    counts = [] if v_mask is None else [context.op("Unsqueeze", v_mask, context.constant([1]))]
    if context.argument("use_causal_mask"):
        steps, others = shape_of(scores)[1:]
        if not isinstance(steps, int) or not isinstance(others, int):
            context.refuse("the number of steps is only known when the model runs", "an input of fixed size")
        counts.append(context.constant(np.tri(steps, others, dtype=np.bool_)[None]))
    mask = functools.reduce(lambda one, other: context.op("And", one, other), counts) if counts else None
    weights = _weights(context, scores, mask, 2)
    result = context.op("MatMul", weights, v)
    if q_mask is not None:
        kept = context.op("Unsqueeze", q_mask, context.constant([2]))
        result = context.op("Where", kept, result, context.constant(0.0))
    output = Tensor(result, mask=query.mask)
    return [output, Tensor(weights)] if context.argument("return_attention_scores") else [output]


def _mask_value(context: LayerContext, mask: Any) -> ir.Value | None:
    if mask is None:
        return None
    if isinstance(mask, Tensor):
        return context.layouts.logical(mask)
    if mask.value is None:
        context.refuse("how the mask of its input is made is not known")
    value: ir.Value = mask.value
    return value


def _scores(context: LayerContext, query: ir.Value, key: ir.Value) -> ir.Value:
    """(N, T, S)."""
    layer = context.source
    scale = context.weight("scale")
    if context.class_name == "Attention" and layer.score_mode == "dot":
        scores = context.op("MatMul", query, context.op("Transpose", key, perm=[0, 2, 1]))
        return scores if scale is None else context.op("Mul", scores, context.constant(scale))
    steps = context.op("Unsqueeze", query, context.constant([2]))
    others = context.op("Unsqueeze", key, context.constant([1]))
    total = context.op("Add", steps, others)
    if context.class_name == "Attention":
        if scale is not None:
            total = context.op("Mul", total, context.constant(scale))
        sums = _summed(context, context.op("Tanh", total))
        return context.op("Mul", sums, context.constant(context.needed_weight("concat_score_weight")))
    squashed = context.op("Tanh", total)
    return _summed(context, squashed if scale is None else context.op("Mul", squashed, context.constant(scale)))


def _summed(context: LayerContext, value: ir.Value) -> ir.Value:
    return context.op("ReduceSum", value, context.constant([3]), keepdims=0)
