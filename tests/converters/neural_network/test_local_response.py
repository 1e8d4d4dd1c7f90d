from __future__ import annotations

import numpy as np
import pytest
from running import assert_close, convert_layer, new_layer, run_layer

from mltoolkit.errors import InvalidModelError

# Sums of up to 7 squares and a power in float32, against float64.
TOLERANCE = 1e-5


def normalize(x: np.ndarray, size: int, alpha: float, beta: float, k: float) -> np.ndarray:
    """x (…, C, H, W); the window of MPSCNNCrossChannelNormalization."""
    channels = x.shape[-3]
    result = np.empty(x.shape)
    for c in range(channels):
        window = x[..., max(0, c - size // 2) : min(channels - 1, c + (size - 1) // 2) + 1, :, :]
        total = (window.astype(np.float64) ** 2).sum(axis=-3)
        result[..., c, :, :] = x[..., c, :, :] / (k + alpha / size * total) ** beta
    return result


@pytest.mark.parametrize("blob", [(2, 7, 3, 4), (1, 7, 3, 4), (7, 3, 4), (2, 2, 7, 3, 4)])
@pytest.mark.parametrize("k", [0.0, 2.0])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 13, 14, 15, 16, 1000, 2**50, 2**50 + 1])
def test_window(size: int, k: float, blob: tuple[int, ...]) -> None:
    layer, params = new_layer("lrn")
    params.localSize, params.alpha, params.beta, params.k = size, 0.75, 0.6, k
    x = (np.random.default_rng(1).standard_normal(blob) * 3).astype(np.float32)
    expected = normalize(x, size, float(np.float32(0.75)), float(np.float32(0.6)), k or 1)
    assert_close(run_layer(layer, {"x": x}, rank5=len(blob) == 4)["y"], expected, TOLERANCE)


@pytest.mark.parametrize("alpha", [0.0, -0.001, 0.75])
@pytest.mark.parametrize("beta", [0.0, -0.5, 0.6])
def test_parameters_that_are_not_positive(alpha: float, beta: float) -> None:
    layer, params = new_layer("lrn")
    params.localSize, params.alpha, params.beta, params.k = 3, alpha, beta, 2
    x = np.random.default_rng(2).standard_normal((1, 7, 3, 4)).astype(np.float32)
    expected = normalize(x, 3, float(np.float32(alpha)), float(np.float32(beta)), 2)
    assert_close(run_layer(layer, {"x": x})["y"], expected, TOLERANCE)


@pytest.mark.parametrize(("field", "value", "message"), [("localSize", 0, "localSize is 0"), ("k", -1.0, "k is -1")])
def test_broken_parameters_are_refused(field: str, value: float, message: str) -> None:
    layer, params = new_layer("lrn")
    params.localSize, params.alpha, params.beta = 5, 1, 0.75
    setattr(params, field, value)
    with pytest.raises(InvalidModelError, match=message):
        convert_layer(layer, {"x": (1, 7, 3, 4)})
