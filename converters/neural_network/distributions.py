"""Blobs of random numbers, in a shape that a blob has, the file states or a blob holds.

Source: NeuralNetwork.proto, messages RandomNormalLikeLayerParams … RandomBernoulliDynamicLayerParams.
"""

from __future__ import annotations

from typing import Any

from mltoolkit.converters.neural_network.activation import affine
from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.operands import blob
from mltoolkit.converters.neural_network.random_numbers import normal, uniform
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.converters.neural_network.wanted_shape import wanted_shape
from mltoolkit.errors import InvalidModelError


@converts("randomNormalLike", "randomNormalStatic", "randomNormalDynamic")
def random_normal(context: LayerContext, layer: Any) -> None:
    """Normally distributed numbers with the mean ``mean`` and the deviation ``stdDev``."""
    params = context.params
    if not params.stdDev >= 0:
        raise InvalidModelError(f"stdDev is {params.stdDev:g}; it must not be negative", where=context.where)
    numbers = normal(context, wanted_shape(context, "outputShape"), params.seed)
    context.output(affine(context, numbers, params.stdDev, params.mean))


@converts("randomUniformLike", "randomUniformStatic", "randomUniformDynamic")
def random_uniform(context: LayerContext, layer: Any) -> None:
    """Equally distributed numbers from ``minVal`` to ``maxVal``."""
    params = context.params
    if not params.minVal <= params.maxVal:
        raise InvalidModelError(f"minVal is {params.minVal:g} where maxVal is {params.maxVal:g}", where=context.where)
    numbers = uniform(context, wanted_shape(context, "outputShape"), params.seed)
    context.output(affine(context, numbers, params.maxVal - params.minVal, params.minVal))


@converts("randomBernoulliLike", "randomBernoulliStatic", "randomBernoulliDynamic")
def random_bernoulli(context: LayerContext, layer: Any) -> None:
    """1 with the probability ``prob``, else 0."""
    params = context.params
    if not 0 <= params.prob <= 1:
        raise InvalidModelError(f"prob is {params.prob:g}; it must be 0 to 1", where=context.where)
    numbers = uniform(context, wanted_shape(context, "outputShape"), params.seed)
    probability = context.builder.constant(float(params.prob))
    context.output(blob(context, context.builder.op("Less", numbers, probability)))
