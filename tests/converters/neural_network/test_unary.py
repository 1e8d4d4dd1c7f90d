from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from running import assert_close, convert_layer, new_layer, run_layer

from mltoolkit.errors import InvalidModelError

# A few float32 operations and onnxruntime's exp, log and pow (4e-7 relative), against float64.
TOLERANCE = 1e-6

SQRT, RSQRT, INVERSE, POWER, EXP, LOG, ABS, THRESHOLD = range(8)

# Function, alpha, epsilon in effect → formula of NeuralNetwork.proto.
FORMULAS: dict[int, Callable[[np.ndarray, float, float], np.ndarray]] = {
    SQRT: lambda x, alpha, epsilon: np.sqrt(x),
    RSQRT: lambda x, alpha, epsilon: 1 / np.sqrt(x + epsilon),
    INVERSE: lambda x, alpha, epsilon: 1 / (x + epsilon),
    POWER: lambda x, alpha, epsilon: np.power(x, alpha),
    EXP: lambda x, alpha, epsilon: np.exp(x),
    LOG: lambda x, alpha, epsilon: np.log(x + epsilon),
    ABS: lambda x, alpha, epsilon: np.abs(x),
    THRESHOLD: lambda x, alpha, epsilon: np.maximum(alpha, x),
}


@pytest.mark.parametrize("function", FORMULAS)
@pytest.mark.parametrize("epsilon", [0.0, 0.125])
@pytest.mark.parametrize(("scale", "shift"), [(0.0, 0.0), (1.0, 0.5), (2.5, 0.0), (0.5, 1.5)])
def test_formula(function: int, epsilon: float, scale: float, shift: float) -> None:
    rng = np.random.default_rng(function)
    layer, params = new_layer("unary")
    params.type, params.alpha, params.epsilon, params.scale, params.shift = (
        function,
        1.7,
        epsilon,
        scale,
        shift,
    )
    x = (rng.random((2, 3, 4, 5)) * 4 + 0.01).astype(np.float32)
    inner = x.astype(np.float64) * (scale or 1) + shift
    expected = FORMULAS[function](inner, float(np.float32(1.7)), epsilon or 1e-6)
    assert_close(run_layer(layer, {"x": x})["y"], expected, TOLERANCE)


@pytest.mark.parametrize("function", [INVERSE, EXP, ABS, THRESHOLD])
def test_negative_values(function: int) -> None:
    layer, params = new_layer("unary")
    params.type, params.alpha = function, -0.5
    x = -(np.random.default_rng(1).random((1, 3, 4, 5)) * 4 + 0.01).astype(np.float32)
    expected = FORMULAS[function](x.astype(np.float64), -0.5, 1e-6)
    assert_close(run_layer(layer, {"x": x})["y"], expected, TOLERANCE)


@pytest.mark.parametrize("exponent", [-2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 0.5, 1.5])
def test_powers_of_negative_numbers_follow_the_maths(exponent: float) -> None:
    layer, params = new_layer("unary")
    params.type, params.alpha = POWER, exponent
    x = np.array([-3, -1, -0.5, 0.5, 2], dtype=np.float32).reshape(1, 5, 1, 1)
    with np.errstate(invalid="ignore"):
        expected = np.power(x.astype(np.float64), exponent)
    assert np.isnan(expected).any() == (exponent % 1 != 0)
    assert_close(run_layer(layer, {"x": x})["y"], expected, TOLERANCE)


@pytest.mark.parametrize("function", [SQRT, LOG, RSQRT])
def test_outside_the_domain_is_nan(function: int) -> None:
    layer, params = new_layer("unary")
    params.type = function
    assert np.isnan(run_layer(layer, {"x": np.full((1, 1, 1, 1), -2.0)})["y"]).all()


def test_any_rank() -> None:
    layer, params = new_layer("unary")
    params.type = ABS
    x = np.random.default_rng(2).standard_normal((2, 7)).astype(np.float32)
    assert_close(run_layer(layer, {"x": x}, rank5=False)["y"], np.abs(x), 0)


def test_an_unknown_function_is_refused() -> None:
    layer, params = new_layer("unary")
    params.type = 8
    with pytest.raises(InvalidModelError, match="unary function 8"):
        convert_layer(layer, {"x": (1, 1, 1, 1)})
