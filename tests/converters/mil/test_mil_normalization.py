"""Normalisations in both formats."""

from __future__ import annotations

import numpy as np
import pytest
from checking import check_onnx, check_refused, one_node

RNG = np.random.default_rng(37)


def random(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def statistics(channels: int) -> dict[str, np.ndarray]:
    return {"g": random(channels), "b": random(channels), "m": random(channels), "v": np.abs(random(channels)) + 0.1}


SHAPES = [(2, 6), (2, 6, 5), (2, 6, 5, 4), (2, 6, 3, 4, 5)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("constant", [False, True])
def test_batch_normalization(shape, constant):
    x, rest = random(*shape), statistics(6)
    feeds = {"x": x} if constant else {"x": x} | rest
    check_onnx(one_node("BatchNormalization", feeds, rest if constant else {}, epsilon=1e-3), feeds)


def test_batch_statistics_are_refused():
    model = one_node("BatchNormalization", {"x": random(2, 6, 5)}, statistics(6), outputs=3, training_mode=1)
    check_refused(model, "training mode")


@pytest.mark.parametrize("shape", SHAPES[1:])
@pytest.mark.parametrize("constant", [False, True])
def test_instance_normalization(shape, constant):
    x, rest = random(*shape), {"g": random(6), "b": random(6)}
    feeds = {"x": x} if constant else {"x": x} | rest
    check_onnx(one_node("InstanceNormalization", feeds, rest if constant else {}, epsilon=1e-4), feeds)


@pytest.mark.parametrize("axis", [-1, 1, 2, -3])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("shape", SHAPES[:3])
def test_layer_normalization(axis, bias, outputs, shape):
    if not -len(shape) <= axis < len(shape):
        pytest.skip("no such axis")
    x = random(*shape)
    rest = {"g": random(*shape[axis:])} | ({"b": random(*shape[axis:])} if bias else {})
    check_onnx(one_node("LayerNormalization", {"x": x}, rest, outputs=outputs, axis=axis, epsilon=1e-3), {"x": x})


def test_layer_normalization_with_one_factor():
    x = random(2, 3, 4)
    check_onnx(one_node("LayerNormalization", {"x": x}, {"g": random(1)}, axis=-1), {"x": x})


@pytest.mark.parametrize("shape", SHAPES[1:])
@pytest.mark.parametrize("groups", [1, 3, 6])
def test_group_normalization(shape, groups):
    x, rest = random(*shape), {"g": random(6), "b": random(6)}
    check_onnx(one_node("GroupNormalization", {"x": x}, rest, num_groups=groups), {"x": x})


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("shape", SHAPES[2:3])
def test_local_response_normalization(size, shape):
    x = random(*shape)
    # onnxruntime takes odd sizes only.
    around = [slice(max(0, c - (size - 1) // 2), c + size // 2 + 1) for c in range(shape[1])]
    squares = np.stack([(x[:, part].astype(np.float64) ** 2).sum(axis=1) for part in around], axis=1)
    expected = x / (1.5 + 0.1 / size * squares) ** 0.6
    model = one_node("LRN", {"x": x}, size=size, alpha=0.1, beta=0.6, bias=1.5)
    check_onnx(model, {"x": x}, expected={"y": expected})


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_lp_normalization(power, axis):
    x = random(3, 4)
    x[1] = 0
    x[:, 2] = 0
    check_onnx(one_node("LpNormalization", {"x": x}, p=power, axis=axis), {"x": x})


@pytest.mark.parametrize("axes", [(1, 2), (0, 2, 3)])
def test_mean_variance_normalization(axes):
    x = random(2, 3, 4, 5)
    check_onnx(one_node("MeanVarianceNormalization", {"x": x}, axes=axes), {"x": x})
