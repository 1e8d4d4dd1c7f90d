"""Random numbers.

An operation with a seed of 0 or more gives the same numbers each time; Core ML's own for a seed are not
published, so only the distribution is the same.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.parameters import check_elements, choice, real_number, whole_number
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.converters.neural_network.random_numbers import normal, uniform
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import dtype_of


def _seed(context: MilContext) -> int:
    return whole_number(context, "seed", -1)


def _wanted_shape(context: MilContext) -> ir.Value:
    shape = context.value("shape")
    if context.rank(shape) != 1 or dtype_of(shape) != np.int64:
        raise InvalidModelError("the shape is no vector of whole numbers", where=context.where)
    if shape.const_value is not None:
        sizes = shape.const_value.numpy().tolist()
        if min(sizes, default=1) < 0:
            raise InvalidModelError(f"the shape {tuple(sizes)} is impossible", where=context.where)
        check_elements(context, sizes)
    return shape


def _affine(context: MilContext, value: ir.Value, scale: float, shift: float) -> ir.Value:
    scaled = context.op("Mul", value, context.like(scale, value))
    return context.op("Add", scaled, context.like(shift, value))


@converts("random_normal")
def convert_random_normal(context: MilContext) -> None:
    """Normally distributed numbers with the mean ``mean`` and the deviation ``stddev``."""
    mean, deviation = real_number(context, "mean", 0.0), real_number(context, "stddev", 1.0)
    if deviation < 0:
        raise InvalidModelError(f"stddev is {deviation:g}; it must not be negative", where=context.where)
    numbers = normal(context, _wanted_shape(context), _seed(context))
    context.output(_affine(context, numbers, deviation, mean))


@converts("random_uniform")
def convert_random_uniform(context: MilContext) -> None:
    """Numbers equally distributed from ``low`` to ``high``, without ``high`` itself."""
    low, high = real_number(context, "low", 0.0), real_number(context, "high", 1.0)
    if high < low:
        raise InvalidModelError(f"low is {low:g} where high is {high:g}", where=context.where)
    numbers = uniform(context, _wanted_shape(context), _seed(context))
    context.output(_affine(context, numbers, high - low, low))


@converts("random_bernoulli")
def convert_random_bernoulli(context: MilContext) -> None:
    """1 with the probability ``prob``, else 0."""
    probability = real_number(context, "prob", 0.5)
    if not 0 <= probability <= 1:
        raise InvalidModelError(f"prob is {probability:g}; it must be 0 to 1", where=context.where)
    numbers = uniform(context, _wanted_shape(context), _seed(context))
    context.output(context.cast(context.op("Less", numbers, context.like(probability, numbers)), np.float32))


@converts("random_categorical")
def convert_random_categorical(context: MilContext) -> None:
    """``size`` class indices for each vector of logits or probabilities, (..., classes) → (..., size)."""
    x = context.value("x")
    last, samples = context.rank(x) - 1, whole_number(context, "size", 1, minimum=1)
    if last < 0:
        raise InvalidModelError("a scalar has no axis of classes", where=context.where)
    check_elements(context, (*context.shape(x), samples))
    by_logits = choice(context, "mode", ("logits", "probs"), "logits") == "logits"
    weights = context.op("Softmax", x, axis=last) if by_logits else x
    sums = context.op("CumSum", weights, context.constant(last))
    # A number in [0, 1) times the last sum belongs to the class whose sum is the first above it.
    total = context.op("Slice", sums, *map(context.constant, ([-1], [1 << 31], [last])))
    borders = context.op("Slice", sums, *map(context.constant, ([0], [-1], [last])))
    leading = context.op("Shape", x, start=0, end=last)
    shape = context.op("Concat", leading, context.constant([samples]), axis=0)
    numbers = context.op("Mul", uniform(context, shape, _seed(context)), total)
    passed = context.op(
        "GreaterOrEqual",
        context.op("Unsqueeze", numbers, context.constant([last + 1])),
        context.op("Unsqueeze", borders, context.constant([last])),
    )
    axes = context.constant([last + 1])
    context.output(context.op("ReduceSum", context.cast(passed, np.float32), axes, keepdims=0))
