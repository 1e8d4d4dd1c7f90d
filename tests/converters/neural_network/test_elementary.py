from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from running import assert_close, convert_layer, new_layer, run_layer

from mltoolkit.errors import InvalidModelError

# One float32 function of onnxruntime's (a few units in the last place), against float64.
TOLERANCE = 2e-6

_erf = np.vectorize(math.erf)

# Layer type → formula and the interval that the test draws from.
FUNCTIONS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], float, float]] = {
    "acos": (np.arccos, -1, 1),
    "acosh": (np.arccosh, 1, 50),
    "asin": (np.arcsin, -1, 1),
    "asinh": (np.arcsinh, -50, 50),
    "atan": (np.arctan, -50, 50),
    "atanh": (np.arctanh, -0.99, 0.99),
    "ceil": (np.ceil, -9, 9),
    "cos": (np.cos, -9, 9),
    "cosh": (np.cosh, -5, 5),
    "erf": (_erf, -4, 4),
    "exp2": (np.exp2, -9, 9),
    "floor": (np.floor, -9, 9),
    "round": (np.round, -9, 9),
    "sign": (np.sign, -9, 9),
    "sin": (np.sin, -9, 9),
    "sinh": (np.sinh, -5, 5),
    "tan": (np.tan, -1.5, 1.5),
    "tanh": (np.tanh, -5, 5),
}


@pytest.mark.parametrize("kind", FUNCTIONS)
@pytest.mark.parametrize("rank", [1, 3, 5])
def test_functions(kind: str, rank: int, rng: np.random.Generator) -> None:
    function, low, high = FUNCTIONS[kind]
    x = rng.uniform(low, high, (7, 3, 2, 2, 3)[:rank]).astype(np.float32)
    layer, _ = new_layer(kind)
    assert_close(run_layer(layer, {"x": x}, rank5=False)["y"], function(x.astype(np.float64)), TOLERANCE, kind)


@pytest.mark.parametrize("kind", ["sin", "ceil", "exp2"])
def test_sizes_known_only_when_the_model_runs(kind: str, rng: np.random.Generator) -> None:
    x = rng.uniform(-3, 3, (4, 5)).astype(np.float32)
    layer, _ = new_layer(kind)
    y = run_layer(layer, {"x": x}, rank5=False, shapes={"x": ("n", None)})["y"]
    assert_close(y, FUNCTIONS[kind][0](x.astype(np.float64)), TOLERANCE, kind)


def test_halves_are_rounded_to_even() -> None:
    layer, _ = new_layer("round")
    x = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], dtype=np.float32)
    assert_close(run_layer(layer, {"x": x}, rank5=False)["y"], np.array([-2.0, -2, 0, 0, 2, 2]), 0)


@pytest.mark.parametrize("kind", ["acos", "acosh", "atanh"])
def test_outside_the_domain_is_nan(kind: str) -> None:
    layer, _ = new_layer(kind)
    assert np.isnan(run_layer(layer, {"x": np.array([-3.0])}, rank5=False)["y"]).all()


def test_clip(rng: np.random.Generator) -> None:
    layer, params = new_layer("clip")
    params.minVal, params.maxVal = -0.5, 1.25
    x = rng.normal(0, 2, (5, 4)).astype(np.float32)
    assert_close(run_layer(layer, {"x": x}, rank5=False)["y"], np.clip(x, -0.5, 1.25), 0)


@pytest.mark.parametrize(("low", "high"), [(1, 0), (math.nan, 1), (0, math.nan)])
def test_clip_to_nothing_is_refused(low: float, high: float) -> None:
    layer, params = new_layer("clip")
    params.minVal, params.maxVal = low, high
    with pytest.raises(InvalidModelError, match="minVal is"):
        convert_layer(layer, {"x": (3,)}, rank5=False)


@pytest.mark.parametrize("alpha", [0.0, 2.0, -3.0])
@pytest.mark.parametrize("beta", [7.0, -8.0])
def test_clamped_relu(alpha: float, beta: float) -> None:
    layer, params = new_layer("clampedReLU")
    params.alpha, params.beta = alpha, beta
    x = np.arange(-20, 20, dtype=np.float32)
    expected = np.minimum(beta, np.where(x >= 0, x, x * alpha))
    assert_close(run_layer(layer, {"x": x}, rank5=False)["y"], expected, 0)


GELU = {
    0: lambda x: 0.5 * x * (1 + _erf(x / math.sqrt(2))),
    1: lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    2: lambda x: x / (1 + np.exp(-1.702 * x)),
}


@pytest.mark.parametrize("mode", GELU)
def test_gelu(mode: int) -> None:
    layer, params = new_layer("gelu")
    params.mode = mode
    x = np.linspace(-6, 6, 241, dtype=np.float32).reshape(1, 241)
    assert_close(run_layer(layer, {"x": x}, rank5=False)["y"], GELU[mode](x.astype(np.float64)), TOLERANCE)


def test_an_unknown_gelu_mode_is_refused() -> None:
    layer, params = new_layer("gelu")
    params.mode = 3
    with pytest.raises(InvalidModelError, match="GELU mode 3"):
        convert_layer(layer, {"x": (3,)}, rank5=False)
