from __future__ import annotations

import numpy as np
import pytest
from running import assert_close, convert_layer, new_layer, run_layer, set_weight

from mltoolkit.errors import InvalidModelError

# Means over up to 120 elements and one root in float32, against float64.
TOLERANCE = 1e-5

STATISTICS = ("gamma", "beta", "mean", "variance")
BLOBS = [(2, 3, 4, 5), (1, 3, 1, 1), (3, 4, 5), (2, 2, 3, 4, 5)]


def batchnorm_layer(rng: np.random.Generator, channels: int = 3) -> tuple:
    layer, params = new_layer("batchnorm")
    params.channels = channels
    weights = {name: rng.standard_normal(channels).astype(np.float32) for name in STATISTICS}
    weights["variance"] = rng.random(channels).astype(np.float32) + 0.1
    for name, values in weights.items():
        set_weight(getattr(params, name), values)
    return (
        layer,
        params,
        {name: values.reshape(-1, 1, 1).astype(np.float64) for name, values in weights.items()},
    )


@pytest.mark.parametrize("epsilon", [0.0, 0.01])
@pytest.mark.parametrize("blob", BLOBS)
def test_batchnorm_with_stored_statistics(blob: tuple[int, ...], epsilon: float) -> None:
    rng = np.random.default_rng(1)
    layer, params, w = batchnorm_layer(rng)
    params.epsilon = epsilon
    # Ignored: only the mean and variance of the input could be taken over an instance.
    params.instanceNormalization = True
    x = rng.standard_normal(blob).astype(np.float32)
    expected = w["gamma"] * (x - w["mean"]) / np.sqrt(w["variance"] + (epsilon or 1e-5)) + w["beta"]
    assert_close(run_layer(layer, {"x": x}, rank5=len(blob) == 4)["y"], expected, TOLERANCE)


@pytest.mark.parametrize("instance", [False, True])
@pytest.mark.parametrize("epsilon", [0.0, 0.01])
@pytest.mark.parametrize("blob", [(2, 3, 4, 5), (3, 4, 5), (2, 2, 3, 4, 5)])
def test_batchnorm_with_measured_statistics(blob: tuple[int, ...], epsilon: float, instance: bool) -> None:
    rng = np.random.default_rng(2)
    layer, params, w = batchnorm_layer(rng)
    params.epsilon, params.computeMeanVar, params.instanceNormalization = epsilon, True, instance
    for ignored in ("mean", "variance"):
        params.ClearField(ignored)
    x = (rng.standard_normal(blob) * 3 + 2).astype(np.float32)
    channel = len(blob) - 3
    axes = tuple(axis for axis in range(len(blob)) if axis != channel and (axis > channel or not instance))
    x64 = x.astype(np.float64)
    mean, variance = x64.mean(axis=axes, keepdims=True), x64.var(axis=axes, keepdims=True)
    expected = w["gamma"] * (x64 - mean) / np.sqrt(variance + (epsilon or 1e-5)) + w["beta"]
    assert_close(run_layer(layer, {"x": x}, rank5=len(blob) == 4)["y"], expected, TOLERANCE)


@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("epsilon", [0.0, 0.5])
@pytest.mark.parametrize("blob", BLOBS)
def test_mvn(blob: tuple[int, ...], epsilon: float, normalize: bool, across: bool) -> None:
    rng = np.random.default_rng(3)
    layer, params = new_layer("mvn")
    params.acrossChannels, params.normalizeVariance, params.epsilon = across, normalize, epsilon
    x = (rng.standard_normal(blob) * 2 + 1).astype(np.float32)
    x64 = x.astype(np.float64)
    axes = (-3, -2, -1) if across else (-2, -1)
    expected = x64 - x64.mean(axis=axes, keepdims=True)
    if normalize:
        expected = expected / np.sqrt(x64.var(axis=axes, keepdims=True) + (epsilon or 1e-6))
    assert_close(run_layer(layer, {"x": x}, rank5=len(blob) == 4)["y"], expected, TOLERANCE)


@pytest.mark.parametrize("epsilon", [0.0, 2.0])
@pytest.mark.parametrize("blob", BLOBS)
def test_l2_normalize(blob: tuple[int, ...], epsilon: float) -> None:
    layer, params = new_layer("l2normalize")
    params.epsilon = epsilon
    x = np.random.default_rng(4).standard_normal(blob).astype(np.float32)
    x64 = x.astype(np.float64)
    expected = x64 / np.sqrt((x64**2).sum(axis=(-3, -2, -1), keepdims=True) + (epsilon or 1e-6))
    assert_close(run_layer(layer, {"x": x}, rank5=len(blob) == 4)["y"], expected, TOLERANCE)


@pytest.mark.parametrize("blob", [*BLOBS, (2, 1000, 1, 1)])
def test_softmax(blob: tuple[int, ...]) -> None:
    layer, _ = new_layer("softmax")
    x = (np.random.default_rng(5).standard_normal(blob) * 20).astype(np.float32)
    powers = np.exp(x.astype(np.float64) - x.max(axis=-3, keepdims=True))
    expected = powers / powers.sum(axis=-3, keepdims=True)
    assert_close(run_layer(layer, {"x": x}, rank5=len(blob) == 4)["y"], expected, TOLERANCE)


@pytest.mark.parametrize("name", STATISTICS)
@pytest.mark.parametrize("length", [0, 2, 4])
def test_statistics_of_another_length_are_refused(name: str, length: int) -> None:
    layer, params, _ = batchnorm_layer(np.random.default_rng(6))
    set_weight(getattr(params, name), np.ones(length))
    with pytest.raises(InvalidModelError, match=rf"{length} values.*'the layer' \(batchnorm\), {name}"):
        convert_layer(layer, {"x": (1, 3, 4, 5)})


@pytest.mark.parametrize(("channels", "message"), [(0, "channels is 0"), (4, "4 input channels but gets 3")])
def test_other_channels_are_refused(channels: int, message: str) -> None:
    layer, params, _ = batchnorm_layer(np.random.default_rng(7))
    params.channels = channels
    with pytest.raises(InvalidModelError, match=message):
        convert_layer(layer, {"x": (1, 3, 4, 5)})


@pytest.mark.parametrize("kind", ["mvn", "l2normalize", "softmax", "batchnorm"])
def test_rank_2_is_refused(kind: str) -> None:
    layer, params = new_layer(kind)
    if kind == "batchnorm":
        params.channels = 1
    with pytest.raises(InvalidModelError, match="rank 2"):
        convert_layer(layer, {"x": (3, 4)}, rank5=False)
