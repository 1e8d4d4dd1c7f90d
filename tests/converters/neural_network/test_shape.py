"""Reshape, flatten and permute against NumPy on rank-5 arrays [S, B, C, H, W].

Every comparison is exact: the layers only move elements.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from running import assert_close, new_layer, run_layer

from mltoolkit.errors import InvalidModelError

ORDERS = {"CHANNEL_FIRST": 0, "CHANNEL_LAST": 1}
LONGEST_SEQUENCE = (2, 3, 4, 2, 6)


def merged(x):
    """[S, B, C, H, W] as the graph holds it: [S · B, C, H, W]."""
    return x.reshape(-1, *x.shape[2:])


def run_both_ways(layer, x):
    """The layer's output [S, B, C, H, W] with rank-5 mapping, checked to be the same with exact mapping."""
    batch = x.shape[1]
    exact = run_layer(layer, {"x": x}, rank5=False)["y"]
    held = run_layer(layer, {"x": merged(x)}, batch=batch)["y"]
    assert exact.ndim == 5
    assert_close(held.reshape(-1, batch, *held.shape[1:]), exact, 0)
    return exact


def reference_reshape(x, target, channel_last):
    """Each batch on its own, as ReshapeLayerParams describes it."""
    if len(target) == 3:
        target = (x.shape[0], *target)
    sequence, channels, height, width = target
    outputs = []
    for one in x.transpose(1, 0, 2, 3, 4):
        if channel_last:
            flat = one.transpose(0, 2, 3, 1).reshape(-1)
            outputs.append(flat.reshape(sequence, height, width, channels).transpose(0, 3, 1, 2))
        else:
            outputs.append(one.reshape(-1).reshape(sequence, channels, height, width))
    return np.stack(outputs, axis=1)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("target", [(48, 1, 1), (6, 4, 2), (1, 1, 48), (4, 2, 6), (2, 3, 8)])
@pytest.mark.parametrize("leading", [(1, 1), (2, 1), (1, 3), (2, 3)])
def test_reshape_keeps_the_sequence_with_three_sizes(rng, order, target, leading):
    x = rng.normal(size=(*leading, 4, 2, 6)).astype(np.float32)
    layer, params = new_layer("reshape")
    params.targetShape.extend(target)
    params.mode = ORDERS[order]
    assert_close(run_both_ways(layer, x), reference_reshape(x, target, order == "CHANNEL_LAST"), 0)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("target", [(1, 96, 1, 1), (8, 12, 1, 1), (2, 6, 4, 2), (96, 1, 1, 1), (3, 4, 2, 4)])
@pytest.mark.parametrize("batch", [1, 3])
def test_reshape_with_four_sizes_moves_elements_into_the_sequence(rng, order, target, batch):
    x = rng.normal(size=(2, batch, 4, 2, 6)).astype(np.float32)
    layer, params = new_layer("reshape")
    params.targetShape.extend(target)
    params.mode = ORDERS[order]
    assert_close(run_both_ways(layer, x), reference_reshape(x, target, order == "CHANNEL_LAST"), 0)


def test_reshape_of_an_image_of_unknown_number(rng):
    x = rng.normal(size=(5, 4, 2, 6)).astype(np.float32)
    layer, params = new_layer("reshape")
    params.targetShape.extend([48, 1, 1])
    actual = run_layer(layer, {"x": x}, shapes={"x": ("N", 4, 2, 6)})["y"]
    assert_close(actual, x.reshape(5, 48, 1, 1), 0)


@pytest.mark.parametrize(
    ("target", "what"),
    [
        ((47, 1, 1), "48 elements"),
        ((1, 47, 1, 1), "48 elements"),
        ((96, 1, 1), "48 elements"),
        ((-1, 1, 1), "targetShape is -1"),
        ((0, 4, 2), "targetShape is 0"),
        ((2**60, 1, 1), "targetShape is 1152921504606846976"),
        ((48,), "has 1 values"),
        ((), "has 0 values"),
        ((1, 1, 48, 1, 1), "has 5 values"),
    ],
)
def test_impossible_reshapes(rng, target, what):
    layer, params = new_layer("reshape")
    params.targetShape.extend(target)
    with pytest.raises(InvalidModelError, match=what) as error:
        run_layer(layer, {"x": np.zeros((1, 4, 2, 6))})
    assert "the layer" in str(error.value)


@pytest.mark.parametrize("kind", ["reshape", "permute"])
def test_only_rank_5_with_exact_mapping(kind):
    layer, params = new_layer(kind)
    if kind == "reshape":
        params.targetShape.extend([48, 1, 1])
    else:
        params.axis.extend([1, 0, 2, 3])
    with pytest.raises(InvalidModelError, match="rank 5 but gets rank 4"):
        run_layer(layer, {"x": np.zeros((1, 4, 2, 6))}, rank5=False)


@pytest.mark.parametrize("kind", ["reshape", "flatten"])
def test_unknown_orders(kind):
    layer, params = new_layer(kind)
    params.mode = 5
    if kind == "reshape":
        params.targetShape.extend([48, 1, 1])
    with pytest.raises(InvalidModelError, match="order 5"):
        run_layer(layer, {"x": np.zeros((1, 4, 2, 6))})


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("shape", [(1, 1, 4, 2, 6), LONGEST_SEQUENCE])
def test_flatten(rng, order, shape):
    x = rng.normal(size=shape).astype(np.float32)
    layer, params = new_layer("flatten")
    params.mode = ORDERS[order]
    expected = x.transpose(0, 1, 3, 4, 2) if order == "CHANNEL_LAST" else x
    assert_close(run_both_ways(layer, x), expected.reshape(*shape[:2], -1, 1, 1), 0)


def test_flatten_of_low_ranks(rng):
    x = rng.normal(size=(4, 2, 6)).astype(np.float32)
    layer, _ = new_layer("flatten")
    assert_close(run_layer(layer, {"x": x}, rank5=False)["y"], x.reshape(48, 1, 1), 0)
    with pytest.raises(InvalidModelError, match="axis -3 of a blob of rank 2"):
        run_layer(layer, {"x": x[0]}, rank5=False)


@pytest.mark.parametrize("axes", list(itertools.permutations(range(4))), ids=str)
@pytest.mark.parametrize("shape", [(1, 1, 4, 2, 6), (3, 1, 4, 2, 5), LONGEST_SEQUENCE])
def test_permute(rng, axes, shape):
    x = rng.normal(size=shape).astype(np.float32)
    layer, params = new_layer("permute")
    params.axis.extend(axes)
    # "such that dimensions at axis=1 or axis=-4 is unchanged"
    without_batch = x.transpose(1, 0, 2, 3, 4)
    expected = np.stack([one.transpose(axes) for one in without_batch], axis=1)
    assert_close(run_both_ways(layer, x), expected, 0)


def test_permute_examples_of_the_format():
    x = np.zeros((2, 3, 4, 5, 6), np.float32)
    examples = {(0, 3, 1, 2): (2, 3, 6, 4, 5), (3, 1, 2, 0): (6, 3, 4, 5, 2), (0, 3, 2, 1): (2, 3, 6, 5, 4)}
    for axes, shape in examples.items():
        layer, params = new_layer("permute")
        params.axis.extend(axes)
        assert run_both_ways(layer, x).shape == shape
    layer, _ = new_layer("permute")
    assert run_both_ways(layer, x).shape == x.shape


@pytest.mark.parametrize("axes", [(0, 1, 2), (0, 1, 2, 2), (1, 2, 3, 4), (0, 1, 2, 2**62), (0, 1, 2, 3, 4)])
def test_impossible_permutations(axes):
    layer, params = new_layer("permute")
    params.axis.extend(axes)
    with pytest.raises(InvalidModelError, match="a permutation of"):
        run_layer(layer, {"x": np.zeros((1, 4, 2, 6))})


def test_a_sequence_that_the_batch_does_not_divide():
    layer, params = new_layer("permute")
    params.axis.extend([3, 1, 2, 0])
    with pytest.raises(InvalidModelError, match="5 vectors cannot be a sequence with batch size 2"):
        run_layer(layer, {"x": np.zeros((5, 4, 1, 1))}, batch=2)
