from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from running import assert_close, convert_layer, new_layer, run_layer, set_weight

from mltoolkit.errors import InvalidModelError

# Products of at most 40 float32 numbers of size 1, summed in another order than NumPy's float64.
TOLERANCE = 1e-5


@pytest.mark.parametrize(
    ("left", "right", "result"),
    [
        # The shapes of NeuralNetwork.proto: vectors become matrices of one row or column, which stay.
        ((10,), (10,), (1, 1)),
        ((4, 10), (10,), (4, 1)),
        ((10,), (10, 3), (1, 3)),
        ((10,), (2, 10, 3), (2, 1, 3)),
        ((2, 3), (3, 4), (2, 4)),
        ((1, 3, 4), (3, 2, 4, 5), (3, 2, 3, 5)),
        ((2, 3, 1, 3, 4), (2, 1, 2, 4, 5), (2, 3, 2, 3, 5)),
    ],
)
def test_two_inputs(
    left: tuple[int, ...], right: tuple[int, ...], result: tuple[int, ...], rng: np.random.Generator
) -> None:
    a, b = (rng.normal(size=shape).astype(np.float32) for shape in (left, right))
    layer, _ = new_layer("batchedMatmul", ("a", "b"))
    y = run_layer(layer, {"a": a, "b": b}, rank5=False, shapes={"a": ("n",) * len(left)})["y"]
    assert_close(y, np.matmul(a.astype(np.float64), b).reshape(result), TOLERANCE)


@pytest.mark.parametrize("transpose_a", [True, False])
@pytest.mark.parametrize("transpose_b", [True, False])
@pytest.mark.parametrize("batch", [(), (2,), (2, 1, 3)])
def test_transposed_inputs(
    transpose_a: bool, transpose_b: bool, batch: tuple[int, ...], rng: np.random.Generator
) -> None:
    a, b = rng.normal(size=(*batch, 3, 4)), rng.normal(size=(*batch, 4, 5))
    layer, params = new_layer("batchedMatmul", ("a", "b"))
    params.transposeA, params.transposeB = transpose_a, transpose_b
    given = {
        "a": np.swapaxes(a, -1, -2) if transpose_a else a,
        "b": np.swapaxes(b, -1, -2) if transpose_b else b,
    }
    assert_close(run_layer(layer, given, rank5=False)["y"], np.matmul(a, b), TOLERANCE)


def _with_weights(weights: np.ndarray, bias: np.ndarray | None) -> Any:
    layer, params = new_layer("batchedMatmul")
    params.weightMatrixFirstDimension, params.weightMatrixSecondDimension = weights.shape
    # "Values are however stored in column major order"
    set_weight(params.weights, weights.T)
    if bias is not None:
        params.hasBias = True
        set_weight(params.bias, bias)
    return layer


@pytest.mark.parametrize("shape", [(7,), (5, 7), (2, 3, 7), (2, 3, 1, 5, 7)])
@pytest.mark.parametrize("has_bias", [True, False])
def test_weights(shape: tuple[int, ...], has_bias: bool, rng: np.random.Generator) -> None:
    weights = rng.normal(size=(7, 4)).astype(np.float32)
    bias = rng.normal(size=4).astype(np.float32)
    x = rng.normal(size=shape).astype(np.float32)
    layer = _with_weights(weights, bias if has_bias else None)
    expected = x.astype(np.float64) @ weights + (bias if has_bias else 0)
    assert_close(run_layer(layer, {"x": x}, rank5=False)["y"], expected, TOLERANCE)


def test_a_wrong_inner_size_is_refused(rng: np.random.Generator) -> None:
    layer = _with_weights(rng.normal(size=(7, 4)), None)
    with pytest.raises(InvalidModelError, match="7 rows but the input's last axis has 6"):
        convert_layer(layer, {"x": (2, 6)}, rank5=False)
    layer, _ = new_layer("batchedMatmul", ("a", "b"))
    with pytest.raises(InvalidModelError, match="the layer"):
        convert_layer(layer, {"a": (2, 6), "b": (7, 2)}, rank5=False)


def test_weights_of_a_wrong_size_are_refused(rng: np.random.Generator) -> None:
    layer = _with_weights(rng.normal(size=(7, 4)), None)
    layer.batchedMatmul.weightMatrixSecondDimension = 1 << 40
    with pytest.raises(InvalidModelError, match="weightMatrixSecondDimension"):
        convert_layer(layer, {"x": (2, 7)}, rank5=False)
    layer.batchedMatmul.weightMatrixSecondDimension = 5
    with pytest.raises(InvalidModelError, match="28 values where the layer needs 35"):
        convert_layer(layer, {"x": (2, 7)}, rank5=False)
