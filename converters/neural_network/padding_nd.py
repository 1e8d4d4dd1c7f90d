"""Any axes padded with a constant.

Source: NeuralNetwork.proto, message ConstantPaddingLayerParams.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.operands import exact_inputs, shape_vector
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.converters.neural_network.shape_parts import reshaped, sizes_of
from mltoolkit.converters.neural_network.sizes import check_elements, stated_size
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import shape_of


@converts("constantPad")
def constant_pad(context: LayerContext, layer: Any) -> None:
    """Elements before and after each axis, or as many as make it as long as stated."""
    params = layer.constantPad
    value, *given = exact_inputs(context, 1, 2)
    builder = context.builder
    amounts = _given_amounts(context, value, given[0]) if given else _stated_amounts(context, value)
    if params.padToGivenOutputSizeMode:
        amounts = _missing(context, value, amounts)
    context.output(
        builder.op("Pad", value, _befores_and_afters(context, amounts), builder.constant(float(params.value)))
    )


def _befores_and_afters(context: LayerContext, amounts: ir.Value) -> ir.Value:
    """[[before, after], …] as ONNX wants it: [before, …, after, …]."""
    builder = context.builder
    if amounts.const_value is not None:
        return builder.constant(amounts.const_value.numpy().T.reshape(-1))
    return reshaped(context, builder.op("Transpose", amounts, attributes={"perm": [1, 0]}), [-1])


def _given_amounts(context: LayerContext, value: ir.Value, amounts: ir.Value) -> ir.Value:
    rank = len(shape_of(value))
    vector = shape_vector(context, amounts)
    (length,) = shape_of(vector)
    if isinstance(length, int):
        _check_length(context, length, rank)
    return reshaped(context, vector, [rank, 2])


def _stated_amounts(context: LayerContext, value: ir.Value) -> ir.Value:
    """A constant of shape (rank, 2)."""
    params = context.params
    amounts = [stated_size(context, "padAmounts", amount, minimum=0) for amount in params.padAmounts]
    shape = shape_of(value)
    _check_length(context, len(amounts), len(shape))
    pairs = np.array(amounts, dtype=np.int64).reshape(len(shape), 2)
    if params.padToGivenOutputSizeMode and pairs.all(axis=1).any():
        raise InvalidModelError(f"padAmounts {amounts} state two sizes for one axis of the output", where=context.where)
    check_elements(
        context,
        [
            max(known, *pair) if params.padToGivenOutputSizeMode else known + sum(pair)
            for known, pair in zip(
                (size if isinstance(size, int) else 1 for size in shape), pairs.tolist(), strict=True
            )
        ],
    )
    return context.builder.constant(pairs)


def _check_length(context: LayerContext, length: int, rank: int) -> None:
    if length != 2 * rank:
        raise InvalidModelError(
            f"{length} padding amounts are given for a blob of rank {rank}, which takes {2 * rank}",
            where=context.where,
        )


def _missing(context: LayerContext, value: ir.Value, wanted: ir.Value) -> ir.Value:
    """How much each axis lacks of the wanted sizes; 0 where none is wanted."""
    builder = context.builder
    present = reshaped(context, sizes_of(context, value), [-1, 1])
    if wanted.const_value is not None and present.const_value is not None:
        return builder.constant(np.maximum(wanted.const_value.numpy() - present.const_value.numpy(), 0))
    return builder.op("Max", builder.op("Sub", wanted, present), builder.constant(0))
