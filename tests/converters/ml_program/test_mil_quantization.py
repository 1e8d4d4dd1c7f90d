"""quantize and dequantize against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mil_programs import Ref, add_operation, new_program, one_operation

from mltoolkit.errors import InvalidModelError
from mltoolkit.model import Model

RNG = np.random.default_rng(17)
X = (3 * RNG.normal(size=(2, 3, 4))).astype(np.float32)
PARAMETERS: list[tuple[Any, Any, int | None]] = [
    (0.05, None, None),
    (0.05, 7, None),
    (np.array([0.05, 0.1, 0.2], dtype=np.float32), None, 1),
    (np.array([0.05, 0.1, 0.2], dtype=np.float32), [1, 20, 100], -2),
]


def constants(scale: Any, zero: Any, axis: int | None, dtype: str) -> dict[str, Any]:
    given: dict[str, Any] = {"scale": scale}
    given |= {} if zero is None else {"zero_point": np.array(zero, dtype=dtype)}
    return given | ({} if axis is None else {"axis": axis})


def broadcast(parameter: Any, axis: int | None) -> np.ndarray:
    array = np.asarray(0 if parameter is None else parameter, dtype=np.float32)
    return array if axis is None or not array.ndim else array.reshape(1, 3, 1)


@pytest.mark.parametrize(("scale", "zero", "axis"), PARAMETERS)
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_quantize_and_back(scale: Any, zero: Any, axis: int | None, dtype: str) -> None:
    spec, block = new_program({"x": ("float32", X.shape)}, {"codes": ("int32", X.shape), "back": ("float32", X.shape)})
    parameters = constants(scale, zero, axis, dtype)
    outputs = {"codes": (dtype, X.shape)}
    add_operation(block, "quantize", {"input": Ref("x"), "output_dtype": dtype} | parameters, outputs)
    add_operation(block, "dequantize", {"input": Ref("codes")} | parameters, {"back": ("float32", X.shape)})
    found = Model(spec).predict({"x": X})
    by, shift = broadcast(scale, axis), broadcast(zero, axis)
    limits = np.iinfo(dtype)
    codes = np.clip(np.round(X / by) + shift, limits.min, limits.max)
    # onnxruntime and NumPy both divide float32 correctly rounded, so the codes are the same.
    assert np.array_equal(found["codes"], codes)
    assert np.array_equal(found["back"], (codes - shift) * by)
    assert len(np.unique(codes)) > 10, "the example is no test of anything"


def test_halves_go_to_even_codes() -> None:
    x = np.array([0.5, 1.5, 2.5, -0.5, -1.5], dtype=np.float32)
    spec = one_operation("quantize", {"input": x}, {"scale": 1.0, "output_dtype": "int8"}, ("int8", (5,)))
    assert Model(spec).predict({"input": x})["out"].tolist() == [0, 2, 2, 0, -2]


def test_4_bit_codes_have_the_range_of_their_type() -> None:
    x = np.array([-100, -3, 100], dtype=np.float32)
    for data_type, expected in ((25, [-8, -3, 7]), (35, [0, 0, 15])):
        spec = one_operation("quantize", {"input": x}, {"scale": 1.0, "output_dtype": "int4"}, ("int8", (3,)))
        operation = spec.mlProgram.functions["main"].block_specializations["CoreML7"].operations[0]
        operation.outputs[0].type.tensorType.dataType = data_type
        assert Model(spec).predict({"input": x})["out"].tolist() == expected


@pytest.mark.parametrize(("scale", "zero", "axis"), PARAMETERS)
def test_constant_codes_are_decoded_while_the_model_is_loaded(scale: Any, zero: Any, axis: int | None) -> None:
    codes = RNG.integers(0, 256, X.shape).astype(np.uint8)
    spec, block = new_program({"x": ("float32", X.shape)}, {"y": ("float32", X.shape)})
    given = {"input": codes} | constants(scale, zero, axis, "uint8")
    add_operation(block, "dequantize", given, {"w": ("float32", X.shape)})
    add_operation(block, "add", {"x": Ref("x"), "y": Ref("w")}, {"y": ("float32", X.shape)})
    model = Model(spec)
    expected = X + (codes.astype(np.float32) - broadcast(zero, axis)) * broadcast(scale, axis)
    assert np.array_equal(model.predict({"x": X})["y"], expected)
    assert {node.op_type for node in model.graph().model.graph} == {"Add"}


@pytest.mark.parametrize(
    "change",
    [
        {"scale": np.ones(3)},
        {"scale": np.ones((1, 3))},
        {"scale": np.ones(4), "axis": 1},
        {"scale": np.ones(3), "axis": 3},
        {"scale": np.ones(3), "axis": 0.5},
        {"scale": "text"},
        {"zero_point": 0.5},
        {"zero_point": np.zeros(2, dtype=np.int8), "axis": 1},
        {"input": "text"},
    ],
)
@pytest.mark.parametrize(("kind", "dtype"), [("quantize", "int8"), ("dequantize", "float32")])
def test_damage_is_an_invalid_model(kind: str, dtype: str, change: dict[str, Any]) -> None:
    given: dict[str, Any] = {"scale": 0.5, "output_dtype": "int8"} | change
    arrays = {} if "input" in change else {"input": X if kind == "quantize" else X.astype(np.int32)}
    with pytest.raises(InvalidModelError, match=f"'out' \\({kind}\\)|'out'"):
        Model(one_operation(kind, arrays, given, (dtype, X.shape))).graph()


def test_codes_must_be_declared_as_whole_numbers() -> None:
    spec = one_operation("quantize", {"input": X}, {"scale": 0.5}, ("float32", X.shape))
    with pytest.raises(InvalidModelError, match="no integer"):
        Model(spec).graph()


@pytest.mark.parametrize("per_channel", [False, True])
def test_quantized_convolution(per_channel: bool) -> None:
    x = RNG.normal(size=(1, 3, 5, 5)).astype(np.float32)
    codes = RNG.integers(0, 256, (4, 3, 1, 1)).astype(np.uint8)
    scale, shift = (RNG.normal(size=4 if per_channel else 1).astype(np.float32) for _ in range(2))
    given = {"weight": codes, "quantization_type": "linear", "nbits": 8}
    given |= {"quant_scale": scale, "quant_bias": shift, "bias": np.array([1, 2, 3, 4], dtype=np.uint8)}
    spec = one_operation("conv_quantized", {"x": x}, given, ("float32", (1, 4, 5, 5)))
    weight = codes[..., 0, 0] * scale[:, np.newaxis] + shift[:, np.newaxis]
    expected = np.einsum("oi,nihw->nohw", weight, x) + np.arange(1, 5).reshape(1, 4, 1, 1)
    # Sums of three products of numbers up to 500.
    np.testing.assert_allclose(Model(spec).predict({"x": x})["out"], expected, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize(
    "change",
    [{"quant_scale": np.ones(3)}, {"quant_bias": "text"}, {"weight": np.zeros((4, 3), dtype=np.uint8)}],
)
def test_damaged_quantized_convolutions(change: dict[str, Any]) -> None:
    given: dict[str, Any] = {"weight": np.zeros((4, 3, 1, 1), dtype=np.uint8), "quantization_type": "linear"}
    given |= {"quant_scale": 1.0, "quant_bias": 0.0} | change
    x = np.zeros((1, 3, 5, 5), dtype=np.float32)
    with pytest.raises(InvalidModelError):
        Model(one_operation("conv_quantized", {"x": x}, given, ("float32", (1, 4, 5, 5)))).graph()
