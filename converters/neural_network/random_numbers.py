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

from mltoolkit.converters.neural_network.generated import check_generated
from mltoolkit.converters.neural_network.sizes import EmittingContext

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_FACTORS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
_LAST_SHIFT = 31


def uniform(context: EmittingContext, shape: ir.Value, seed: int) -> ir.Value:
    """float32 numbers from [0, 1), multiples of 2⁻²⁴.

    Args:
        context: the context of a layer, or of an ML Program's operation.
        shape: the wanted shape, an int64 vector.
        seed: the layer's seed.
    """
    builder = context.builder
    top = _shift(context, _hashes(context, shape, seed), 40)
    numbers = builder.op("Mul", _float(context, top), builder.constant(2.0**-24))
    return builder.op("Reshape", numbers, shape)


def normal(context: EmittingContext, shape: ir.Value, seed: int) -> ir.Value:
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


def _hashes(context: EmittingContext, shape: ir.Value, seed: int) -> ir.Value:
    """One uint64 for each element of the shape, in a row."""
    builder = context.builder
    start = _signed(context, _mixed(seed) + _GOLDEN if seed >= 0 else secrets.randbits(64))
    stream = builder.op("Mul", _positions(context, shape, seed), _signed(context, _GOLDEN))
    state = builder.op("Add", stream, start)
    for shift, factor in _FACTORS:
        mixed = _fold(context, builder.op("Cast", state, attributes={"to": ir.DataType.UINT64}), shift)
        # Products wrap around in int64 as in uint64, which fewer releases of onnxruntime multiply.
        state = builder.op(
            "Mul", builder.op("Cast", mixed, attributes={"to": ir.DataType.INT64}), _signed(context, factor)
        )
    return _fold(context, builder.op("Cast", state, attributes={"to": ir.DataType.UINT64}), _LAST_SHIFT)


def _positions(context: EmittingContext, shape: ir.Value, seed: int) -> ir.Value:
    """As many consecutive int64 numbers as the shape has elements: from 0 on with a seed, else from anywhere.

    The first is drawn by onnxruntime, with a seed from 0 to 0: its generator goes on from run to run, and
    numbers that come from it are not folded into a constant when a session is made, which would take many
    times their memory. But it starts alike in every session of a process and nearly alike in every layer, so
    that more must be drawn when the model is converted.
    """
    builder = context.builder
    if shape.const_value is not None:
        sizes = shape.const_value.numpy().tolist()
        check_generated(context.where, sizes)
        count = builder.constant(math.prod(sizes))
    else:
        count = builder.op("ReduceProd", shape, attributes={"keepdims": 0})
    most = 0.0 if seed >= 0 else 2.0**24
    drawn = builder.op("RandomUniform", attributes={"shape": [2], "low": 0.0, "high": most})
    parts = builder.op(
        "Mul", builder.op("Cast", drawn, attributes={"to": ir.DataType.INT64}), builder.constant([1, 1 << 24])
    )
    first = builder.op("ReduceSum", parts, attributes={"keepdims": 0})
    return builder.op("Range", first, builder.op("Add", first, count), builder.constant(1))


def _mixed(seed: int) -> int:
    """The hash of a seed: seeds that differ by little start at unrelated places."""
    state = seed & _MASK
    for shift, factor in _FACTORS:
        state = ((state ^ (state >> shift)) * factor) & _MASK
    return state ^ (state >> _LAST_SHIFT)


def _signed(context: EmittingContext, number: int) -> ir.Value:
    """The int64 with the bits of a uint64."""
    return context.builder.constant(np.array(number & _MASK, dtype=np.uint64).view(np.int64))


def _fold(context: EmittingContext, bits: ir.Value, shift: int) -> ir.Value:
    """bits ^ (bits >> shift)."""
    return context.builder.op("BitwiseXor", bits, _shift(context, bits, shift))


def _shift(context: EmittingContext, bits: ir.Value, amount: int) -> ir.Value:
    places = context.builder.constant(np.array(amount, dtype=np.uint64))
    return context.builder.op("BitShift", bits, places, attributes={"direction": "RIGHT"})


def _float(context: EmittingContext, bits: ir.Value) -> ir.Value:
    return context.builder.op("Cast", bits, attributes={"to": ir.DataType.FLOAT})
