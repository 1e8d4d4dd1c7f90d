"""Elementwise operations, activations and reductions against NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from mil_programs import one_operation

from mltoolkit.model import Model

RNG = np.random.default_rng(5)
X = RNG.normal(size=(2, 3, 4)).astype(np.float32)
Y = (RNG.normal(size=(3, 1)) + np.array([[3], [-3], [3]])).astype(np.float32)
N = RNG.integers(-20, 20, (2, 3, 4)).astype(np.int32)
M = np.array([[3], [-4], [7]], dtype=np.int32)
# float32 functions of onnxruntime and NumPy differ in the last bits.
RTOL, ATOL = 2e-6, 2e-6


def run(kind: str, arrays: dict[str, np.ndarray], constants: dict[str, Any], expected: np.ndarray) -> None:
    dtype = "int32" if expected.dtype.kind in "bi" else "float32"
    declared = "bool" if expected.dtype.kind == "b" else dtype
    spec = one_operation(kind, arrays, constants, ("float32", expected.shape))
    operation = spec.mlProgram.functions["main"].block_specializations["CoreML7"].operations[0]
    operation.outputs[0].type.tensorType.dataType = {"bool": 1, "int32": 23, "float32": 11}[declared]
    spec.description.output[0].type.multiArrayType.dataType = {"int32": 131104, "float32": 65568}[dtype]
    found = Model(spec).predict(arrays)["out"]
    shape = expected.shape or (1,)
    assert found.shape == shape
    np.testing.assert_allclose(found, expected.reshape(shape), rtol=RTOL, atol=ATOL)


UNARY: dict[str, tuple[Callable[[np.ndarray], np.ndarray], np.ndarray]] = {
    "abs": (np.abs, X),
    "acos": (np.arccos, np.tanh(X)),
    "asin": (np.arcsin, np.tanh(X)),
    "atan": (np.arctan, X),
    "atanh": (np.arctanh, np.tanh(X)),
    "ceil": (np.ceil, X),
    "cos": (np.cos, X),
    "cosh": (np.cosh, X),
    "erf": (np.vectorize(math.erf), X),
    "exp": (np.exp, X),
    "exp2": (np.exp2, X),
    "floor": (np.floor, X),
    "round": (np.round, np.array([-1.5, -0.5, 0.5, 1.5, 2.5, 0.49], dtype=np.float32)),
    "sign": (np.sign, X),
    "sin": (np.sin, X),
    "sinh": (np.sinh, X),
    "sqrt": (np.sqrt, np.abs(X)),
    "square": (np.square, X),
    "tan": (np.tan, np.tanh(X)),
    "tanh": (np.tanh, X),
    "relu": (lambda x: np.maximum(x, 0), X),
    "relu6": (lambda x: np.clip(x, 0, 6), 8 * X),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), X),
    "silu": (lambda x: x / (1 + np.exp(-x)), X),
    "softplus": (lambda x: np.log1p(np.exp(x)), X),
    "softsign": (lambda x: x / (1 + np.abs(x)), X),
}


@pytest.mark.parametrize("kind", UNARY)
def test_unary(kind: str) -> None:
    function, x = UNARY[kind]
    run(kind, {"x": x}, {}, np.asarray(function(x.astype(np.float64)), dtype=np.float32))


@pytest.mark.parametrize("kind", ["abs", "sign", "square"])
def test_unary_of_whole_numbers(kind: str) -> None:
    run(kind, {"x": N}, {}, {"abs": np.abs, "sign": np.sign, "square": np.square}[kind](N))


WITH_CONSTANTS: list[tuple[str, dict[str, Any], Callable[[np.ndarray], np.ndarray]]] = [
    ("inverse", {"epsilon": 0.5}, lambda x: 1 / (x + 0.5)),
    ("log", {"epsilon": 4.0}, lambda x: np.log(x + 4)),
    ("rsqrt", {"epsilon": 4.0}, lambda x: 1 / np.sqrt(x + 4)),
    ("threshold", {"alpha": 0.25}, lambda x: np.maximum(x, 0.25)),
    ("clip", {"alpha": -0.5, "beta": 0.25}, lambda x: np.clip(x, -0.5, 0.25)),
    ("leaky_relu", {"alpha": 0.1}, lambda x: np.where(x >= 0, x, 0.1 * x)),
    (
        "clamped_relu",
        {"alpha": 0.1, "beta": 0.5},
        lambda x: np.minimum(0.5, np.where(x >= 0, x, 0.1 * x)),
    ),
    ("elu", {"alpha": 0.7}, lambda x: np.where(x > 0, x, 0.7 * np.expm1(x))),
    ("linear_activation", {"alpha": 2.0, "beta": 3.0}, lambda x: 2 * x + 3),
    ("scaled_tanh", {"alpha": 2.0, "beta": 0.5}, lambda x: 2 * np.tanh(0.5 * x)),
    ("sigmoid_hard", {"alpha": 0.2, "beta": 0.4}, lambda x: np.clip(0.2 * x + 0.4, 0, 1)),
    ("thresholded_relu", {"alpha": float(X[0, 0, 0])}, lambda x: np.where(x >= X[0, 0, 0], x, 0)),
    ("gelu", {}, lambda x: 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))),
    (
        "gelu",
        {"mode": "TANH_APPROXIMATION"},
        lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    ),
    ("gelu", {"mode": "SIGMOID_APPROXIMATION"}, lambda x: x / (1 + np.exp(-1.702 * x))),
    ("softmax", {"axis": np.int32(1)}, lambda x: np.exp(x) / np.exp(x).sum(1, keepdims=True)),
    (
        "prelu",
        {"alpha": np.array([0.1, 0.2, 0.3], dtype=np.float32)},
        lambda x: np.where(x > 0, x, np.array([[0.1], [0.2], [0.3]]) * x),
    ),
    (
        "softplus_parametric",
        {"alpha": np.array([1, 2, 3], dtype=np.float32), "beta": np.array([3, 2, 1], dtype=np.float32)},
        lambda x: np.array([[1], [2], [3]]) * np.log1p(np.exp(np.array([[3], [2], [1]]) * x)),
    ),
]


@pytest.mark.parametrize(("kind", "constants", "function"), WITH_CONSTANTS)
def test_with_constants(kind: str, constants: dict[str, Any], function: Any) -> None:
    constants = {name: np.float32(given) if isinstance(given, float) else given for name, given in constants.items()}
    run(kind, {"x": X}, constants, np.asarray(function(X.astype(np.float64)), dtype=np.float32))


BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": np.add,
    "floor_div": np.floor_divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "mod": np.mod,
    "mul": np.multiply,
    "sub": np.subtract,
    "equal": np.equal,
    "not_equal": np.not_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
}


@pytest.mark.parametrize("kind", [*BINARY, "real_div", "pow"])
def test_binary(kind: str) -> None:
    if kind == "pow":
        x = np.abs(X)
        run(kind, {"x": x, "y": Y}, {}, np.power(x, Y))
        return
    run(kind, {"x": X, "y": Y}, {}, np.asarray((BINARY | {"real_div": np.divide})[kind](X, Y)))


@pytest.mark.parametrize("kind", BINARY)
def test_binary_of_whole_numbers(kind: str) -> None:
    run(kind, {"x": N, "y": M}, {}, np.asarray(BINARY[kind](N, M)))


def test_a_floating_operand_makes_both_floating() -> None:
    run("mul", {"x": N, "y": Y}, {}, N * Y)


CASTS = [
    ("int32", X * 3, np.trunc(X * 3).astype(np.int32)),
    ("bool", np.float32([0, 2, -0.0, 0.5]), np.array([False, True, False, True])),
    ("fp32", N, N.astype(np.float32)),
    ("fp16", X, X),
    ("int8", np.int32([1, 127, 128, -129, 300]), np.int32([1, 127, -128, 127, 44])),
    ("uint8", np.int32([1, 255, 256, -1]), np.int32([1, 255, 0, 255])),
    ("uint16", np.int32([65535, 65536, -1]), np.int32([65535, 0, 65535])),
]


@pytest.mark.parametrize(("dtype", "x", "expected"), CASTS)
def test_cast(dtype: str, x: np.ndarray, expected: np.ndarray) -> None:
    run("cast", {"x": x}, {"dtype": dtype}, expected)


REDUCTIONS: dict[str, Callable[..., Any]] = {
    "reduce_l1_norm": lambda x, **k: np.abs(x).sum(**k),
    "reduce_l2_norm": lambda x, **k: np.sqrt((x * x).sum(**k)),
    "reduce_log_sum": lambda x, **k: np.log(x.sum(**k)),
    "reduce_log_sum_exp": lambda x, **k: np.log(np.exp(x).sum(**k)),
    "reduce_max": np.max,
    "reduce_mean": np.mean,
    "reduce_min": np.min,
    "reduce_prod": np.prod,
    "reduce_sum": np.sum,
    "reduce_sum_square": lambda x, **k: (x * x).sum(**k),
}


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("axes", [None, [1], [-1, 0]])
@pytest.mark.parametrize("kind", REDUCTIONS)
def test_reductions(kind: str, axes: list[int] | None, keep: bool) -> None:
    x = np.abs(X) if kind == "reduce_log_sum" else X
    given: dict[str, Any] = {"keep_dims": np.bool_(keep)}
    if axes is not None:
        given["axes"] = np.array(axes)
    expected = REDUCTIONS[kind](x, axis=None if axes is None else tuple(axes), keepdims=keep)
    run(kind, {"x": x}, given, np.asarray(expected, dtype=np.float32))


@pytest.mark.parametrize("kind", ["reduce_sum", "reduce_max", "reduce_prod", "reduce_mean", "reduce_l1_norm"])
def test_reductions_of_whole_numbers(kind: str) -> None:
    expected = np.trunc(REDUCTIONS[kind](N, axis=1)).astype(np.int32)
    run(kind, {"x": N}, {"axes": np.array([1])}, expected)


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize(("kind", "function"), [("reduce_argmax", np.argmax), ("reduce_argmin", np.argmin)])
def test_arguments(kind: str, function: Any, keep: bool) -> None:
    given = {"axis": np.int32(-2), "keep_dims": np.bool_(keep)}
    for x in (X, N):
        run(kind, {"x": x}, given, function(x, axis=1, keepdims=keep).astype(np.int32))
