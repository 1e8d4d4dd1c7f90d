"""Normalisations by statistics: of a batch, an instance, a layer, a group, a neighbourhood."""

from __future__ import annotations

from typing import Any

import numpy as np

from mltoolkit.converters.mil.context import NodeContext
from mltoolkit.converters.mil.registry import writes
from mltoolkit.converters.mil.sizes import product, reshaped, sizes_of


@writes("BatchNormalization")
def write_batch_norm(node: NodeContext) -> Any:
    """BatchNormalization with stored statistics."""
    if node.attribute("training_mode", 0) or len(node.outputs) > 1:
        node.refuse("it computes statistics of the batch (training mode)", "training_mode=0")
    mb, x = node.mb, node.input(0)
    epsilon = np.float32(node.attribute("epsilon", 1e-5))
    constants = [node.constant(index) for index in range(1, 5)]
    if 3 <= x.rank <= 5 and all(array is not None for array in constants):
        gamma, beta, mean, variance = (array.astype(np.float32) for array in constants if array is not None)
        return mb.batch_norm(x=x, gamma=gamma, beta=beta, mean=mean, variance=variance, epsilon=epsilon)
    gamma, beta, mean, variance = (_by_channel(node, node.input(index), x.rank) for index in range(1, 5))
    scale = mb.real_div(x=gamma, y=mb.sqrt(x=mb.add(x=variance, y=epsilon)))
    return mb.add(x=mb.mul(x=mb.sub(x=x, y=mean), y=scale), y=beta)


def _by_channel(node: NodeContext, vector: Any, rank: int) -> Any:
    """A vector (C,) as it broadcasts against (N, C, …)."""
    if rank == 2:
        return vector
    return node.mb.reshape(x=vector, shape=[1, -1] + [1] * (rank - 2))


@writes("InstanceNormalization")
def write_instance_norm(node: NodeContext) -> Any:
    """InstanceNormalization."""
    mb, x = node.mb, node.input(0)
    epsilon = np.float32(node.attribute("epsilon", 1e-5))
    gamma, beta = node.constant(1), node.constant(2)
    if x.rank in (3, 4) and gamma is not None and beta is not None:
        gamma, beta = gamma.astype(np.float32), beta.astype(np.float32)
        return mb.instance_norm(x=x, gamma=gamma, beta=beta, epsilon=epsilon)
    normalized, _, _ = _standardized(node, x, list(range(2, x.rank)), epsilon)
    scaled = mb.mul(x=normalized, y=_by_channel(node, node.input(1), x.rank))
    return mb.add(x=scaled, y=_by_channel(node, node.input(2), x.rank))


def _standardized(node: NodeContext, x: Any, axes: list[int], epsilon: Any) -> tuple[Any, Any, Any]:
    """(x - mean) / sqrt(variance + epsilon), the mean, and 1 / sqrt(variance + epsilon)."""
    mb = node.mb
    mean = mb.reduce_mean(x=x, axes=axes, keep_dims=True)
    centred = mb.sub(x=x, y=mean)
    variance = mb.reduce_mean(x=mb.mul(x=centred, y=centred), axes=axes, keep_dims=True)
    inverse = mb.real_div(x=np.float32(1), y=mb.sqrt(x=mb.add(x=variance, y=epsilon)))
    return mb.mul(x=centred, y=inverse), mean, inverse


@writes("LayerNormalization")
def write_layer_norm(node: NodeContext) -> Any:
    """LayerNormalization; the mean and the inverse deviation too where they are asked for."""
    mb, x = node.mb, node.input(0)
    axis = node.attribute("axis", -1)
    axes = list(range(axis + x.rank if axis < 0 else axis, x.rank))
    epsilon = np.float32(node.attribute("epsilon", 1e-5))
    gamma, beta = node.constant(1), node.constant(2)
    known = gamma is not None and (beta is not None or not node.has(2))
    sizes = [x.shape[place] for place in axes]
    fixed = all(isinstance(size, (int, np.integer)) for size in sizes)
    if known and fixed and len(node.outputs) == 1 and gamma is not None:
        shape = tuple(int(size) for size in sizes)
        scale = np.broadcast_to(gamma, shape).astype(np.float32)
        shift = None if beta is None else np.broadcast_to(beta, shape).astype(np.float32)
        if shift is None:
            shift = np.zeros(shape, np.float32)
        return mb.layer_norm(x=x, axes=axes, gamma=scale, beta=shift, epsilon=epsilon)
    result, mean, inverse = _standardized(node, x, axes, epsilon)
    result = mb.mul(x=result, y=node.input(1))
    if node.has(2):
        result = mb.add(x=result, y=node.input(2))
    return (result, mean, inverse)[: len(node.outputs)]


@writes("GroupNormalization")
def write_group_norm(node: NodeContext) -> Any:
    """GroupNormalization with a scale and a bias a channel."""
    mb, x = node.mb, node.input(0)
    groups, channels = node.attribute("num_groups"), x.shape[1]
    if not isinstance(channels, (int, np.integer)):
        node.refuse("its number of channels is flexible", "a fixed number of channels")
    sizes = sizes_of(node, x)
    rest = product(node, sizes[2:])
    inner = product(node, [int(channels) // groups, rest])
    grouped = reshaped(node, x, [sizes[0], groups, inner])
    normalized, _, _ = _standardized(node, grouped, [2], np.float32(node.attribute("epsilon", 1e-5)))
    result = reshaped(node, normalized, sizes)
    result = mb.mul(x=result, y=_by_channel(node, node.input(1), x.rank))
    return mb.add(x=result, y=_by_channel(node, node.input(2), x.rank))


@writes("LRN")
def write_lrn(node: NodeContext) -> Any:
    """LRN: division by a power of the squares of neighbouring channels."""
    mb, x, size = node.mb, node.input(0), node.attribute("size")
    alpha, beta = np.float32(node.attribute("alpha", 1e-4)), np.float32(node.attribute("beta", 0.75))
    bias = np.float32(node.attribute("bias", 1.0))
    if size % 2 and x.rank in (3, 4) and not (node.is_network and x.rank == 3):
        return mb.local_response_norm(x=x, size=size, alpha=alpha, beta=beta, k=bias)
    if not isinstance(x.shape[1], (int, np.integer)):
        node.refuse("its number of channels is flexible", "a fixed number of channels")
    channels = int(x.shape[1])
    # sum over neighbours as a product with a band matrix
    places = np.arange(channels)
    distance = places[None, :] - places[:, None]
    band = ((distance >= -((size - 1) // 2)) & (distance <= size // 2)).astype(np.float32)
    sizes = sizes_of(node, x)
    squares = reshaped(node, mb.mul(x=x, y=x), [sizes[0], channels, product(node, sizes[2:])])
    total = mb.matmul(x=band[None], y=squares)
    total = reshaped(node, total, sizes)
    base = mb.add(x=mb.mul(x=total, y=np.float32(alpha / size)), y=bias)
    return mb.real_div(x=x, y=mb.pow(x=base, y=beta))


@writes("LpNormalization")
def write_lp_norm(node: NodeContext) -> Any:
    """LpNormalization; zeros stay zeros."""
    mb, x, power = node.mb, node.input(0), node.attribute("p", 2)
    axis = node.attribute("axis", -1)
    reduce = mb.reduce_l1_norm if power == 1 else mb.reduce_l2_norm
    norm = reduce(x=x, axes=[axis + x.rank if axis < 0 else axis], keep_dims=True)
    is_zero = mb.cast(x=mb.equal(x=norm, y=np.float32(0)), dtype="fp32")
    return mb.real_div(x=x, y=mb.add(x=norm, y=is_zero))


@writes("MeanVarianceNormalization")
def write_mvn(node: NodeContext) -> Any:
    """MeanVarianceNormalization: (x - mean) / (deviation + 1e-9)."""
    mb, x = node.mb, node.input(0)
    axes = [axis + x.rank if axis < 0 else axis for axis in node.attribute("axes", [0, 2, 3])]
    centred = mb.sub(x=x, y=mb.reduce_mean(x=x, axes=axes, keep_dims=True))
    variance = mb.reduce_mean(x=mb.mul(x=centred, y=centred), axes=axes, keep_dims=True)
    return mb.real_div(x=centred, y=mb.add(x=mb.sqrt(x=variance), y=np.float32(1e-9)))
