from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from running import assert_close, convert_layer, new_layer, run_layer, set_weight

from mltoolkit.errors import InvalidModelError

SHAPE = (4, 3, 2, 5)


@pytest.mark.parametrize("rank", [1, 2, 4])
@pytest.mark.parametrize("known", [True, False])
def test_softmax_along_every_axis(rank: int, known: bool, rng: np.random.Generator) -> None:
    x = rng.normal(0, 3, SHAPE[:rank]).astype(np.float32)
    for axis in range(-rank, rank):
        layer, params = new_layer("softmaxND")
        params.axis = axis
        powers = np.exp(x.astype(np.float64))
        shapes: Any = {} if known else {"x": (None,) * rank}
        y = run_layer(layer, {"x": x}, rank5=False, shapes=shapes)["y"]
        # float32 exponentials, against float64.
        assert_close(y, powers / powers.sum(axis=axis, keepdims=True), 1e-6, f"axis {axis}")


def test_softmax_of_large_numbers() -> None:
    layer, params = new_layer("softmaxND")
    params.axis = 0
    x = np.array([[0.5, 0.5], [1e8, 1e8]], dtype=np.float32)
    np.testing.assert_array_equal(run_layer(layer, {"x": x}, rank5=False)["y"], [[0, 0], [1, 1]])


@pytest.mark.parametrize("axis", [2, -3])
def test_a_softmax_axis_outside_the_rank_is_refused(axis: int) -> None:
    layer, params = new_layer("softmaxND")
    params.axis = axis
    with pytest.raises(InvalidModelError, match=f"axis {axis} of a blob of rank 2"):
        convert_layer(layer, {"x": (2, 3)}, rank5=False)


def _layer_normalization(gamma: np.ndarray, beta: np.ndarray, eps: float) -> Any:
    layer, params = new_layer("layerNormalization")
    params.normalizedShape.extend(gamma.shape)
    params.eps = eps
    set_weight(params.gamma, gamma)
    set_weight(params.beta, beta)
    return layer


@pytest.mark.parametrize("axes", [1, 2, 3, 4])
@pytest.mark.parametrize("eps", [1e-5, 0.5])
@pytest.mark.parametrize("mean", [0.0, 100.0])
def test_layer_normalization(axes: int, eps: float, mean: float, rng: np.random.Generator) -> None:
    x = rng.normal(mean, 2, SHAPE).astype(np.float32)
    gamma, beta = (rng.normal(size=SHAPE[-axes:]).astype(np.float32) for _ in range(2))
    over = tuple(range(-axes, 0))
    double = x.astype(np.float64)
    centred = double - double.mean(axis=over, keepdims=True)
    deviation = np.sqrt(double.var(axis=over, keepdims=True) + np.float32(eps))
    y = run_layer(_layer_normalization(gamma, beta, eps), {"x": x}, rank5=False)["y"]
    # The mean is subtracted in float32, whose spacing at 100 is 8e-6; two numbers may lie close together.
    tolerance = 2e-6 if mean == 0 else 2e-3
    assert_close(y, centred / deviation * gamma + beta, tolerance)


@pytest.mark.parametrize("normalized", [(3,), (3, 5), (1, 4, 3, 2, 5), ()])
def test_another_normalized_shape_is_refused(normalized: tuple[int, ...]) -> None:
    layer = _layer_normalization(np.ones(normalized), np.ones(normalized), 1e-5)
    with pytest.raises(InvalidModelError, match="normalizedShape"):
        convert_layer(layer, {"x": SHAPE}, rank5=False)


@pytest.mark.parametrize("eps", [-1.0, np.nan])
def test_a_negative_eps_is_refused(eps: float) -> None:
    layer = _layer_normalization(np.ones(5), np.ones(5), eps)
    with pytest.raises(InvalidModelError, match="eps"):
        convert_layer(layer, {"x": SHAPE}, rank5=False)


def test_weights_of_a_wrong_size_are_refused() -> None:
    layer = _layer_normalization(np.ones(5), np.ones(3), 1e-5)
    with pytest.raises(InvalidModelError, match=r"3 values where the layer needs 5.*beta"):
        convert_layer(layer, {"x": SHAPE}, rank5=False)
