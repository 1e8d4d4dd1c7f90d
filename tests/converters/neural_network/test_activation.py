from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from running import assert_close, convert_layer, new_layer, run_layer, set_weight

from mltoolkit.errors import InvalidModelError
from mltoolkit.formats.weights import LinearCodes, TableCodes, write_codes, write_float16

# A few float32 operations and onnxruntime's polynomials for exp and tanh (2e-7 relative), against float64.
TOLERANCE = 1e-6


def softplus(x: np.ndarray) -> np.ndarray:
    return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


# Nonlinearity, parameters, formula of NeuralNetwork.proto.
FORMULAS: list[tuple[str, dict[str, float], Callable[[np.ndarray], np.ndarray]]] = [
    ("linear", {"alpha": 1.5, "beta": -0.25}, lambda x: 1.5 * x - 0.25),
    ("linear", {"alpha": 1.0, "beta": 0.0}, lambda x: x),
    ("linear", {"alpha": -1.0, "beta": 0.0}, lambda x: -x),
    ("linear", {"alpha": 0.0, "beta": 2.0}, lambda x: 0 * x + 2),
    ("ReLU", {}, lambda x: np.maximum(x, 0)),
    ("leakyReLU", {"alpha": 0.3}, lambda x: np.where(x >= 0, x, np.float32(0.3) * x)),
    ("leakyReLU", {"alpha": 2.0}, lambda x: np.where(x >= 0, x, 2 * x)),
    ("thresholdedReLU", {"alpha": 0.5}, lambda x: np.where(x >= 0.5, x, 0)),
    ("thresholdedReLU", {"alpha": 0.0}, lambda x: np.where(x >= 0, x, 0)),
    ("thresholdedReLU", {"alpha": -1.0}, lambda x: np.where(x >= -1, x, 0)),
    ("tanh", {}, np.tanh),
    ("scaledTanh", {"alpha": 1.7159, "beta": 2 / 3}, lambda x: 1.7159 * np.tanh(2 / 3 * x)),
    ("sigmoid", {}, sigmoid),
    ("sigmoidHard", {"alpha": 0.2, "beta": 0.5}, lambda x: np.minimum(np.maximum(0.2 * x + 0.5, 0), 1)),
    ("sigmoidHard", {"alpha": -1.5, "beta": 0.1}, lambda x: np.minimum(np.maximum(-1.5 * x + 0.1, 0), 1)),
    ("ELU", {"alpha": 0.7}, lambda x: np.where(x >= 0, x, 0.7 * (np.exp(np.minimum(x, 0)) - 1))),
    ("softsign", {}, lambda x: x / (1 + np.abs(x))),
    ("softplus", {}, softplus),
]


def sample(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Normal numbers with a few exact and large values among them."""
    x = (2 * rng.standard_normal(shape)).astype(np.float32)
    special = [0.0, 0.5, -1.0, 1.0, np.nextafter(np.float32(0.5), np.float32(0)), 30.0, -30.0, 88.0, -88.0]
    x.reshape(-1)[: len(special)] = special
    return x


@pytest.mark.parametrize("case", range(len(FORMULAS)), ids=[f"{kind} {values}" for kind, values, _ in FORMULAS])
@pytest.mark.parametrize("shape", [(1, 3, 4, 5), (16,)])
def test_formula(case: int, shape: tuple[int, ...]) -> None:
    kind, values, formula = FORMULAS[case]
    layer, params = new_layer("activation")
    getattr(params, kind).SetInParent()
    for name, value in values.items():
        setattr(getattr(params, kind), name, value)
    x = sample(np.random.default_rng(case), shape)
    result = run_layer(layer, {"x": x}, rank5=len(shape) == 4)["y"]
    assert_close(result, formula(x.astype(np.float64)), TOLERANCE)


def test_thresholded_relu_keeps_the_threshold_itself() -> None:
    layer, params = new_layer("activation")
    params.thresholdedReLU.alpha = 0.3
    threshold = np.float32(0.3)
    x = np.array([np.nextafter(threshold, np.float32(0)), threshold], dtype=np.float32).reshape(1, 2, 1, 1)
    assert run_layer(layer, {"x": x})["y"].reshape(-1).tolist() == [0.0, float(threshold)]


@pytest.mark.parametrize("length", [1, 4])
@pytest.mark.parametrize("shape", [(2, 4, 3, 3), (4, 3, 3), (2, 2, 4, 1, 1)])
def test_prelu(length: int, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    layer, params = new_layer("activation")
    alpha = rng.standard_normal(length).astype(np.float32)
    set_weight(params.PReLU.alpha, alpha)
    x = sample(rng, shape)
    expected = np.where(x >= 0, x, x * alpha.reshape(-1, 1, 1).astype(np.float64))
    assert_close(run_layer(layer, {"x": x}, rank5=len(shape) == 4)["y"], expected, TOLERANCE)


@pytest.mark.parametrize("lengths", [(1, 1), (4, 1), (1, 4), (4, 4)])
@pytest.mark.parametrize("shape", [(2, 4, 3, 3), (4, 3, 3)])
def test_parametric_softplus(lengths: tuple[int, int], shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(2)
    layer, params = new_layer("activation")
    alpha, beta = (rng.standard_normal(length).astype(np.float32) for length in lengths)
    set_weight(params.parametricSoftplus.alpha, alpha)
    set_weight(params.parametricSoftplus.beta, beta)
    x = sample(rng, shape)
    product = beta.reshape(-1, 1, 1).astype(np.float64) * x
    expected = alpha.reshape(-1, 1, 1) * softplus(product)
    assert_close(run_layer(layer, {"x": x}, rank5=len(shape) == 4)["y"], expected, TOLERANCE)


@pytest.mark.parametrize("encoding", ["float16", "linear", "table"])
@pytest.mark.parametrize("length", [1, 12])
def test_compressed_alpha(encoding: str, length: int) -> None:
    rng = np.random.default_rng(3)
    layer, params = new_layer("activation")
    weight = params.PReLU.alpha
    codes = rng.integers(0, 16, length).astype(np.uint8)
    if encoding == "float16":
        alpha = rng.standard_normal(length).astype(np.float16)
        write_float16(weight, alpha)
    elif encoding == "linear":
        write_codes(weight, LinearCodes(codes, 4, np.float32([0.25]), np.float32([-1])))
        alpha = codes * 0.25 - 1
    else:
        table = rng.standard_normal(16).astype(np.float32)
        write_codes(weight, TableCodes(codes, 4, table))
        alpha = table[codes]
    x = sample(rng, (1, 12, 2, 2))
    expected = np.where(x >= 0, x, x * alpha.astype(np.float64).reshape(-1, 1, 1))
    assert_close(run_layer(layer, {"x": x})["y"], expected, TOLERANCE)


@pytest.mark.parametrize("length", [0, 3, 5])
@pytest.mark.parametrize("kind", ["PReLU", "parametricSoftplus"])
def test_parameters_of_another_length_are_refused(kind: str, length: int) -> None:
    layer, params = new_layer("activation")
    activation: Any = getattr(params, kind)
    set_weight(activation.alpha, np.ones(length))
    with pytest.raises(InvalidModelError, match=r"'the layer'.*alpha"):
        convert_layer(layer, {"x": (1, 4, 2, 2)})


def test_no_nonlinearity_is_refused() -> None:
    layer, _ = new_layer("activation")
    with pytest.raises(InvalidModelError, match="no nonlinearity"):
        convert_layer(layer, {"x": (1, 4, 2, 2)})
