"""Random numbers inside a graph.

Number i is a hash of a start and i (SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number
generators", OOPSLA 2014), made of integer operations. A seed of 0 or more fixes the start, so that such a
layer gives the same numbers in every prediction, session and process; onnxruntime's own generators would go
on where the last prediction stopped. With a negative seed the start is drawn anew each time. Core ML's
numbers for a seed are not published; only their distribution is met.
"""

from __future__ import annotations

import math
import secrets

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.sizes import check_elements

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_FACTORS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
_LAST_SHIFT = 31
# Most 4-byte elements of intermediate results for each number, kept at a time.
_INTERMEDIATES = 4


def uniform(context: LayerContext, shape: ir.Value, seed: int) -> ir.Value:
    """float32 numbers from [0, 1), multiples of 2⁻²⁴.

    Args:
        context: the layer's context.
        shape: the wanted shape, an int64 vector.
        seed: the layer's seed.
    """
    builder = context.builder
    top = _shift(context, _hashes(context, shape, seed), 40)
    numbers = builder.op("Mul", _float(context, top), builder.constant(2.0**-24))
    return builder.op("Reshape", numbers, shape)


def normal(context: LayerContext, shape: ir.Value, seed: int) -> ir.Value:
    """float32 numbers of the standard normal distribution (Box and Muller, 1958); see :func:`uniform`."""
    builder = context.builder
    hashes = _hashes(context, shape, seed)
    # The upper 32 bits give the radius, from (0, 1]; the lower 24 the angle.
    top = builder.op("Add", _float(context, _shift(context, hashes, 32)), builder.constant(0.5))
    logarithm = builder.op("Log", builder.op("Mul", top, builder.constant(2.0**-32)))
    radius = builder.op("Sqrt", builder.op("Mul", logarithm, builder.constant(-2.0)))
    low = builder.op("BitwiseAnd", hashes, builder.constant(np.array((1 << 24) - 1, dtype=np.uint64)))
    angle = builder.op("Mul", _float(context, low), builder.constant(2 * math.pi * 2.0**-24))
    return builder.op("Reshape", builder.op("Mul", radius, builder.op("Cos", angle)), shape)


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
    state = builder.op("Add", stream, _start(context, seed))
    for shift, factor in _FACTORS:
        mixed = _fold(context, builder.op("Cast", state, attributes={"to": ir.DataType.UINT64}), shift)
        # Products wrap around in int64 as in uint64, which fewer releases of onnxruntime multiply.
        state = builder.op(
            "Mul", builder.op("Cast", mixed, attributes={"to": ir.DataType.INT64}), _signed(context, factor)
        )
    return _fold(context, builder.op("Cast", state, attributes={"to": ir.DataType.UINT64}), _LAST_SHIFT)


def _start(context: LayerContext, seed: int) -> ir.Value:
    """Where the counting starts, an int64."""
    if seed >= 0:
        return _signed(context, _mixed(seed) + _GOLDEN)
    # onnxruntime's generator goes on from run to run, but starts alike in every session of a process, and
    # nearly alike in every layer; hence a part that is drawn now.
    builder = context.builder
    drawn = builder.op("RandomUniform", attributes={"shape": [2], "low": 0.0, "high": 2.0**24})
    parts = builder.op(
        "Mul",
        builder.op("Cast", drawn, attributes={"to": ir.DataType.INT64}),
        builder.constant(np.array([factor for _, factor in _FACTORS], dtype=np.uint64).view(np.int64)),
    )
    moving = builder.op("ReduceSum", parts, attributes={"keepdims": 0})
    return builder.op("Add", moving, _signed(context, secrets.randbits(64)))


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
