"""Functions of single elements, arithmetic, comparison and activations, in both formats."""

from __future__ import annotations

import numpy as np
import pytest
from checking import check_onnx, check_refused, one_node

RNG = np.random.default_rng(29)
INSIDE_ONE = ("Acos", "Asin", "Atanh")
POSITIVE = ("Log", "Sqrt")
FUNCTIONS = (
    *("Abs", "Atan", "Ceil", "Cos", "Cosh", "Erf", "Exp", "Floor", "Neg", "Reciprocal", "Round", "Sigmoid", "Sign"),
    *("Sin", "Sinh", "Tan", "Tanh", "Asinh", "Acosh", "IsNaN", "IsInf", *INSIDE_ONE, *POSITIVE),
)


def random(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("operator", FUNCTIONS)
def test_function(operator):
    x = random(3, 5)
    if operator in INSIDE_ONE:
        x = np.tanh(x)
    elif operator in POSITIVE:
        x = np.abs(x)
    elif operator == "Acosh":
        x = 1 + np.abs(x)
    elif operator == "Round":
        x = np.array([[-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.49, 3.51]], np.float32)
    elif operator in ("IsNaN", "IsInf"):
        x[0, :3] = [np.nan, np.inf, -np.inf]
    check_onnx(one_node(operator, {"x": x}), {"x": x})


@pytest.mark.parametrize("attributes", [{"detect_negative": 0}, {"detect_positive": 0}])
def test_infinity_of_one_sign(attributes):
    x = np.array([np.inf, -np.inf, 1.0, np.nan], np.float32)
    check_onnx(one_node("IsInf", {"x": x}, **attributes), {"x": x})


def test_asinh_keeps_its_digits():
    x = np.array([-1e4, -3.0, -1e-1, 1e-1, 5.0, 1e4], np.float32)
    check_onnx(one_node("Asinh", {"x": x}), {"x": x})


@pytest.mark.parametrize("operator", ["Abs", "Neg", "Sign"])
def test_function_of_whole_numbers(operator):
    x = np.array([-7, 0, 3, 100], np.int32)
    check_onnx(one_node(operator, {"x": x}), {"x": x})


SHAPES = [((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 1, 4), (3, 1)), ((), (2, 3)), ((2, 3), ())]


@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean"])
@pytest.mark.parametrize("shapes", SHAPES)
def test_arithmetic(operator, shapes):
    feeds = {"a": random(*shapes[0]), "b": random(*shapes[1])}
    check_onnx(one_node(operator, feeds), feeds)


@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul", "Div"])
@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 1), (2, 3)])
def test_arithmetic_with_a_constant(operator, swap, shape):
    x = random(2, 3)
    inputs = ["c", "x"] if swap else ["x", "c"]
    check_onnx(one_node(operator, {"x": x}, {"c": random(*shape)}, inputs=inputs), {"x": x})


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.int8, np.uint8])
@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul", "Div", "Mod", "Max", "Min"])
def test_whole_numbers(operator, dtype):
    a, b = np.arange(1, 101).astype(dtype), np.roll(np.arange(1, 101), 37).astype(dtype)
    if np.dtype(dtype).kind == "i":
        a[::3] *= -1
        b[1::2] *= -1
    if dtype in (np.int8, np.uint8) and operator in ("Max", "Min", "Mod"):
        pytest.skip("onnxruntime has none for narrow types")
    feeds = {"a": a, "b": b}
    try:
        check_onnx(one_node(operator, feeds), feeds)
    except Exception as error:
        if "NOT_IMPLEMENTED" not in str(error):
            raise
        with np.errstate(over="ignore"):
            numpy = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": lambda x, y: np.trunc(x / y)}
            expected = numpy[operator](a, b).astype(dtype)
        check_onnx(one_node(operator, feeds), feeds, expected={"y": expected})


@pytest.mark.parametrize("fmod", [0, 1])
@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_mod(fmod, dtype):
    if dtype is np.float32 and not fmod:
        pytest.skip("ONNX has none")
    feeds = {"a": np.array([-7, 7, -7, 7, 6], dtype), "b": np.array([3, 3, -3, -3, 2], dtype)}
    check_onnx(one_node("Mod", feeds, fmod=fmod), feeds)


@pytest.mark.parametrize("exponent", [np.float32(2), np.float32(3), np.float32(0.5), np.float32(-1), np.int64(2)])
def test_power(exponent):
    x = np.abs(random(2, 3)) + np.float32(0.1)
    check_onnx(one_node("Pow", {"x": x}, {"e": np.array(exponent)}), {"x": x})
    feeds = {"x": x, "e": np.full((3,), exponent)}
    check_onnx(one_node("Pow", feeds), feeds)


def test_power_by_a_constant_vector():
    x = np.abs(random(2, 3))
    model = one_node("Pow", {"x": x}, {"e": np.array([1, 2, 3], np.float32)})
    check_onnx(model, {"x": x}, formats=["mlpackage"])
    check_refused(model, "one constant power", ["mlmodel"])


def test_power_of_whole_numbers():
    feeds = {"x": np.array([1, 2, 3, -4], np.int32), "e": np.array([5, 10, 2, 3], np.int32)}
    check_onnx(one_node("Pow", feeds), feeds)


@pytest.mark.parametrize("operator", ["Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"])
@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_comparison(operator, dtype):
    feeds = {"a": np.array([[1, 2, 3], [3, 2, 1]], dtype), "b": np.array([2, 2, 2], dtype)}
    check_onnx(one_node(operator, feeds), feeds)
    for inputs in (["a", "c"], ["c", "a"]):
        model = one_node(operator, {"a": feeds["a"]}, {"c": np.array(2, dtype)}, inputs=inputs)
        check_onnx(model, {"a": feeds["a"]})


@pytest.mark.parametrize("operator", ["And", "Or", "Xor"])
def test_logic(operator):
    feeds = {"a": RNG.integers(0, 2, (2, 3)).astype(bool), "b": RNG.integers(0, 2, 3).astype(bool)}
    check_onnx(one_node(operator, feeds), feeds)


def test_not():
    feeds = {"a": np.array([True, False])}
    check_onnx(one_node("Not", feeds), feeds)


@pytest.mark.parametrize(
    ("operator", "attributes"),
    [
        ("Relu", {}),
        ("LeakyRelu", {"alpha": 0.3}),
        ("Elu", {"alpha": 0.7}),
        ("Selu", {}),
        ("Selu", {"alpha": 2.0, "gamma": 0.5}),
        ("Celu", {"alpha": 0.6}),
        ("Gelu", {}),
        ("Gelu", {"approximate": "tanh"}),
        ("HardSigmoid", {"alpha": 0.3, "beta": 0.4}),
        ("HardSwish", {}),
        ("Mish", {}),
        ("Softplus", {}),
        ("Softsign", {}),
        ("ThresholdedRelu", {"alpha": 0.5}),
        ("Shrink", {"bias": 0.2, "lambd": 0.4}),
        ("Softmax", {"axis": 0}),
        ("Softmax", {"axis": 1}),
        ("Softmax", {"axis": -1}),
        ("LogSoftmax", {"axis": 1}),
    ],
)
@pytest.mark.parametrize("shape", [(3, 5), (2, 3, 4, 5)])
def test_activation(operator, attributes, shape):
    x = 4 * random(*shape)
    x.flat[0] = 0.5  # the threshold itself
    check_onnx(one_node(operator, {"x": x}, **attributes), {"x": x})


@pytest.mark.parametrize("slope", [(), (1,), (3, 1, 1), (1, 3, 1, 1), (5,), (2, 3, 4, 5)])
@pytest.mark.parametrize("constant", [False, True])
def test_prelu(slope, constant):
    x, alpha = random(2, 3, 4, 5), random(*slope)
    feeds = {"x": x} if constant else {"x": x, "a": alpha}
    check_onnx(one_node("PRelu", feeds, {"a": alpha} if constant else {}), feeds)


@pytest.mark.parametrize(
    ("low", "high"), [(0, 6), (-1, 1), (None, 0.5), (-0.5, None), (None, None), (1, -1), (-np.inf, 0.25)]
)
@pytest.mark.parametrize("constant", [False, True])
def test_clip(low, high, constant):
    x = 3 * random(3, 5)
    limits = {name: np.array(value, np.float32) for name, value in (("low", low), ("high", high)) if value is not None}
    inputs = ["x", "low" if low is not None else "", "high" if high is not None else ""]
    feeds = {"x": x} if constant else {"x": x} | limits
    check_onnx(one_node("Clip", feeds, limits if constant else {}, inputs=inputs), feeds)


def test_clip_of_whole_numbers():
    x = np.arange(-5, 6).astype(np.int32)
    limits = {"low": np.array(-2, np.int32), "high": np.array(3, np.int32)}
    check_onnx(one_node("Clip", {"x": x}, limits), {"x": x})
