"""RandomNormal, RandomUniform, Bernoulli, Multinomial: the same distributions; the numbers are Core ML's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mltoolkit.converters.mil.kinds import cast_to_kind
from mltoolkit.converters.mil.registry import writes
from mltoolkit.converters.mil.sizes import joined, sizes_of

if TYPE_CHECKING:
    from mltoolkit.converters.mil.context import NodeContext


def _seed(node: NodeContext) -> int:
    """The seed, −1 for other numbers each time."""
    seed = node.attribute("seed", None)
    return -1 if seed is None else int(seed) & 0x7FFFFFFF


def _shape(node: NodeContext) -> Any:
    if node.op_type.endswith("Like"):
        return joined(node, sizes_of(node, node.input(0)))
    return np.array(node.attribute("shape"), dtype=np.int32)


@writes("RandomNormal", "RandomNormalLike")
def write_random_normal(node: NodeContext) -> Any:
    """Normally distributed numbers."""
    mean, deviation = np.float32(node.attribute("mean", 0.0)), np.float32(node.attribute("scale", 1.0))
    return node.mb.random_normal(shape=_shape(node), mean=mean, stddev=deviation, seed=_seed(node))


@writes("RandomUniform", "RandomUniformLike")
def write_random_uniform(node: NodeContext) -> Any:
    """Equally distributed numbers."""
    low, high = np.float32(node.attribute("low", 0.0)), np.float32(node.attribute("high", 1.0))
    return node.mb.random_uniform(shape=_shape(node), low=low, high=high, seed=_seed(node))


@writes("Bernoulli")
def write_bernoulli(node: NodeContext) -> Any:
    """1 with the probability that the input gives, else 0."""
    x = node.input(0)
    numbers = node.mb.random_uniform(
        shape=joined(node, sizes_of(node, x)), low=np.float32(0), high=np.float32(1), seed=_seed(node)
    )
    kind = node.output_dtype().numpy().kind
    return cast_to_kind(node, node.mb.less(x=numbers, y=x), kind if kind in "bf" else "i")


@writes("Multinomial")
def write_multinomial(node: NodeContext) -> Any:
    """Class numbers drawn by unnormalized log-probabilities [N, classes] → [N, samples]."""
    drawn = node.mb.random_categorical(
        x=node.input(0), mode="logits", size=node.attribute("sample_size", 1), seed=_seed(node)
    )
    return cast_to_kind(node, drawn, "i")
