"""Random numbers inside a graph.

A layer with a seed of 0 or more gives the same numbers in every prediction, session and process: number i is
a hash of the seed and i (SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
OOPSLA 2014), made of integer operations. onnxruntime's own generators would go on where the last prediction
stopped. A layer with a negative seed takes those, unseeded. Core ML's numbers for a seed are not published;
only their distribution is met.
"""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.sizes import check_elements
from mltoolkit.converters.neural_network.wanted_shape import fill

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_FACTORS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
_LAST_SHIFT = 31
# Most 4-byte elements of intermediate results for each number, kept at a time.
_INTERMEDIATES = 4


def uniform(context: LayerContext, shape: ir.Value, seed: int) -> ir.Value:
    """float32 numbers from [0, 1), multiples of 2⁻²⁴ with a seed.

    Args:
        context: the layer's context.
        shape: the wanted shape, an int64 vector.
        seed: the layer's seed.
    """
    if seed < 0:
        return _unseeded(context, "RandomUniformLike", shape)
    builder = context.builder
    top = _shift(context, _hashes(context, shape, seed), 40)
    numbers = builder.op("Mul", _float(context, top), builder.constant(2.0**-24))
    return builder.op("Reshape", numbers, shape)


def normal(context: LayerContext, shape: ir.Value, seed: int) -> ir.Value:
    """float32 numbers of the standard normal distribution (Box and Muller, 1958); see :func:`uniform`."""
    if seed < 0:
        return _unseeded(context, "RandomNormalLike", shape)
    builder = context.builder
    hashes = _hashes(context, shape, seed)
    # The upper 32 bits give the radius, from (0, 1]; the lower 24 the angle.
    top = builder.op("Add", _float(context, _shift(context, hashes, 32)), builder.constant(0.5))
    logarithm = builder.op("Log", builder.op("Mul", top, builder.constant(2.0**-32)))
    radius = builder.op("Sqrt", builder.op("Mul", logarithm, builder.constant(-2.0)))
    low = builder.op("BitwiseAnd", hashes, builder.constant(np.array((1 << 24) - 1, dtype=np.uint64)))
    angle = builder.op("Mul", _float(context, low), builder.constant(2 * math.pi * 2.0**-24))
    return builder.op("Reshape", builder.op("Mul", radius, builder.op("Cos", angle)), shape)


def _unseeded(context: LayerContext, operation: str, shape: ir.Value) -> ir.Value:
    return context.builder.op(operation, fill(context, shape, 0.0))


def _hashes(context: LayerContext, shape: ir.Value, seed: int) -> ir.Value:
    """One uint64 for each element of the shape, in a row."""
    builder = context.builder
    stated = shape.const_value
    if stated is not None:
        sizes = stated.numpy().tolist()
        check_elements(context, (*sizes, _INTERMEDIATES))
        positions = builder.op(
            "Range", builder.constant(0), builder.constant(math.prod(sizes)), builder.constant(1)
        )
    else:
        count = builder.op("ReduceProd", shape, attributes={"keepdims": 0})
        positions = builder.op("Range", builder.constant(0), count, builder.constant(1))
    stream = builder.op("Mul", positions, _signed(context, _GOLDEN))
    state = builder.op("Add", stream, _signed(context, _mixed(seed) + _GOLDEN))
    for shift, factor in _FACTORS:
        mixed = _fold(context, builder.op("Cast", state, attributes={"to": ir.DataType.UINT64}), shift)
        # Products wrap around in int64 as in uint64, which fewer releases of onnxruntime multiply.
        state = builder.op(
            "Mul", builder.op("Cast", mixed, attributes={"to": ir.DataType.INT64}), _signed(context, factor)
        )
    return _fold(context, builder.op("Cast", state, attributes={"to": ir.DataType.UINT64}), _LAST_SHIFT)


def _mixed(seed: int) -> int:
    """The hash of a seed: seeds that differ by little start at unrelated places."""
    state = seed & _MASK
    for shift, factor in _FACTORS:
        state = ((state ^ (state >> shift)) * factor) & _MASK
    return state ^ (state >> _LAST_SHIFT)


def _signed(context: LayerContext, number: int) -> ir.Value:
    """The int64 with the bits of a uint64."""
    return context.builder.constant(np.array(number & _MASK, dtype=np.uint64).view(np.int64))


def _fold(context: LayerContext, bits: ir.Value, shift: int) -> ir.Value:
    """bits ^ (bits >> shift)."""
    return context.builder.op("BitwiseXor", bits, _shift(context, bits, shift))


def _shift(context: LayerContext, bits: ir.Value, amount: int) -> ir.Value:
    places = context.builder.constant(np.array(amount, dtype=np.uint64))
    return context.builder.op("BitShift", bits, places, attributes={"direction": "RIGHT"})


def _float(context: LayerContext, bits: ir.Value) -> ir.Value:
    return context.builder.op("Cast", bits, attributes={"to": ir.DataType.FLOAT})
