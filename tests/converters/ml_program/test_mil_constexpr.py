"""Compressed weights in programs: the forms of iOS 16 and iOS 18, one compression feeding another, damage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from mil_programs import Ref, add_operation, new_program, tensor_type, value

from mltoolkit.errors import InvalidModelError
from mltoolkit.model import Model

RNG = np.random.default_rng(16)
X = RNG.normal(size=(2, 4)).astype(np.float32)
# MIL.proto, enum DataType.
PACKED = {1: 37, 2: 36, 3: 39, 4: 35, 6: 38, 8: 31}
INT4 = 25


def packed(codes: np.ndarray, bits: int) -> bytes:
    """Least significant bit first, one element after the other."""
    every = (codes.reshape(-1, 1).astype(np.int64) >> np.arange(bits)) & 1
    return np.packbits(every.reshape(-1).astype(np.uint8), bitorder="little").tobytes()


def small(codes: np.ndarray, bits: int, data_type: int | None = None) -> Any:
    """A Value of elements of less than 8 bits."""
    message = value(codes.astype(np.uint8))
    message.type.tensorType.dataType = data_type or PACKED[bits]
    message.immediateValue.tensor.bytes.values = packed(codes, bits)
    return message


def uint32(numbers: list[int]) -> Any:
    message = value(np.array(numbers, dtype=np.int32))
    message.type.tensorType.dataType = 33
    return message


def program(steps: list[tuple[str, Mapping[str, Any], dict[str, tuple[str, tuple[int, ...]]]]]) -> Any:
    """y = x + the output ``w`` of the last step; steps are (type, inputs, outputs)."""
    spec, block = new_program({"x": ("float32", X.shape)}, {"y": ("float32", X.shape)})
    for kind, inputs, outputs in steps:
        plain = {name: given for name, given in inputs.items() if not hasattr(given, "immediateValue")}
        operation = add_operation(block, kind, plain, outputs)
        for name, given in inputs.items():
            if name not in plain:
                operation.inputs[name].arguments.add().value.CopyFrom(given)
    add_operation(block, "add", {"x": Ref("x"), "y": Ref("w")}, {"y": ("float32", X.shape)})
    return spec


def weights_of(
    steps: list[tuple[str, Mapping[str, Any], dict[str, tuple[str, tuple[int, ...]]]]],
) -> np.ndarray:
    return Model(program(steps)).predict({"x": np.zeros_like(X)})["y"]


OUT = {"w": ("float32", (2, 4))}
CODES = np.array([[0, 1, 200, 255], [7, 8, 9, 128]], dtype=np.uint8)


@pytest.mark.parametrize(("scale", "zero", "axis"), [(0.5, 128, 0), ([0.5, 2], [1, 2], 0), ([1, 2, 3, 4], 3, -1)])
def test_affine(scale: Any, zero: Any, axis: int) -> None:
    scale, zero = np.array(scale, dtype=np.float32), np.array(zero, dtype=np.uint8)
    given = {"quantized_data": CODES, "scale": scale, "zero_point": zero, "axis": axis}
    found = weights_of([("constexpr_affine_dequantize", given, OUT)])
    as_column = (lambda array: array[:, np.newaxis]) if axis == 0 and scale.ndim else (lambda array: array)
    expected = as_column(scale) * (CODES.astype(np.float32) - as_column(zero))
    # The same float32 operations in the same order.
    assert np.array_equal(found, expected)


def test_ios16_states_inputs_as_attributes() -> None:
    spec, block = new_program({"x": ("float32", X.shape)}, {"y": ("float32", X.shape)})
    attributes = {"quantized_data": CODES, "scale": 0.5, "zero_point": np.uint8(3), "axis": 0}
    add_operation(block, "constexpr_affine_dequantize", {}, OUT, attributes)
    add_operation(block, "add", {"x": Ref("x"), "y": Ref("w")}, {"y": ("float32", X.shape)})
    found = Model(spec).predict({"x": X})["y"]
    assert np.array_equal(found, X + np.float32(0.5) * (CODES.astype(np.float32) - 3))


@pytest.mark.parametrize("bits", [1, 2, 4, 6, 8])
def test_lookup_table_of_ios16(bits: int) -> None:
    codes = RNG.integers(0, 1 << bits, (2, 4))
    table = RNG.normal(size=1 << bits).astype(np.float16)
    data = np.frombuffer(packed(codes, bits), dtype=np.uint8)
    given = {"indices": data, "lut": table, "shape": uint32([2, 4])}
    found = weights_of([("constexpr_lut_to_dense", given, OUT)])
    assert np.array_equal(found, table.astype(np.float32)[codes])


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 6, 8])
def test_lookup_tables_of_ios18(bits: int) -> None:
    codes = RNG.integers(0, 1 << bits, (2, 4))
    tables = RNG.normal(size=(2, 1, 1 << bits, 1)).astype(np.float32)
    found = weights_of([("constexpr_lut_to_dense", {"indices": small(codes, bits), "lut": tables}, OUT)])
    assert np.array_equal(found, np.stack([tables[row, 0, codes[row], 0] for row in range(2)]))


def test_sparse_of_ios16_and_ios18() -> None:
    mask = np.array([[1, 0, 0, 1], [0, 1, 0, 0]])
    nonzero = np.array([1.5, -2, 3], dtype=np.float16)
    expected = np.zeros((2, 4))
    expected[mask == 1] = nonzero
    old = {"nonzero_data": nonzero, "mask": np.frombuffer(packed(mask, 1), np.uint8), "shape": uint32([2, 4])}
    assert np.array_equal(weights_of([("constexpr_sparse_to_dense", old, OUT)]), expected)
    new = {"nonzero_data": nonzero, "mask": small(mask, 1)}
    assert np.array_equal(weights_of([("constexpr_sparse_to_dense", new, OUT)]), expected)


def test_blocks_of_signed_4_bit_codes() -> None:
    codes = RNG.integers(-8, 8, (2, 4))
    scale = RNG.uniform(0.5, 2, (2, 2)).astype(np.float32)
    offset = RNG.integers(-8, 8, (2, 2))
    given = {"data": small(codes & 15, 4, INT4), "scale": scale, "offset": small(offset & 15, 4, INT4)}
    found = weights_of([("constexpr_blockwise_shift_scale", given, OUT)])
    shifted = (codes - np.repeat(offset, 2, 1)).astype(np.float32)
    assert np.array_equal(found, shifted * np.repeat(scale, 2, 1))


def test_palettized_codes_behind_a_mask_with_a_quantized_table() -> None:
    mask = np.array([[1, 0, 0, 1], [0, 1, 1, 0]])
    indices = np.array([0, 3, 2, 1])
    table = np.array([10, -20, 30, -40], dtype=np.int8).reshape(1, 1, 4, 1)
    steps = [
        (
            "constexpr_lut_to_sparse",
            {"indices_mask": small(mask, 1), "indices_nonzero_data": small(indices, 2), "lut": table},
            {"m": ("uint8", (2, 4)), "v": ("int8", (4,))},
        ),
        (
            "constexpr_sparse_blockwise_shift_scale",
            {"data_mask": Ref("m"), "nonzero_data": Ref("v"), "scale": np.array([[0.5], [0.25]])},
            {"m2": ("uint8", (2, 4)), "v2": ("float32", (4,))},
        ),
        ("constexpr_sparse_to_dense", {"nonzero_data": Ref("v2"), "mask": Ref("m2")}, OUT),
    ]
    expected = np.zeros((2, 4))
    expected[mask == 1] = table.reshape(-1)[indices]
    assert np.array_equal(weights_of(steps), expected * [[0.5], [0.25]])


def test_vectors_behind_a_mask() -> None:
    # The docstring of constexpr_lut_to_sparse: the mask grows along the vectors' axis.
    mask, indices = np.array([[1, 0, 1, 1]]), np.array([0, 1, 1])
    table = np.array([[2, 3], [4, 5]], dtype=np.float32).reshape(1, 1, 2, 2)
    steps = [
        (
            "constexpr_lut_to_sparse",
            {
                "indices_mask": small(mask, 1),
                "indices_nonzero_data": small(indices, 1),
                "lut": table,
                "vector_axis": 0,
            },
            {"m": ("uint8", (2, 4)), "v": ("float32", (6,))},
        ),
        ("constexpr_sparse_to_dense", {"nonzero_data": Ref("v"), "mask": Ref("m")}, OUT),
    ]
    assert weights_of(steps).tolist() == [[2, 0, 4, 4], [3, 0, 5, 5]]


def test_cast() -> None:
    half = RNG.normal(size=(2, 4)).astype(np.float16)
    found = weights_of([("constexpr_cast", {"source_val": half, "output_dtype": "fp32"}, OUT)])
    assert np.array_equal(found, half.astype(np.float32))


def test_declared_types_of_constants_are_checked() -> None:
    given = {"quantized_data": CODES, "scale": 0.5, "zero_point": np.uint8(3), "axis": 0}
    with pytest.raises(InvalidModelError, match="gives the shape"):
        weights_of([("constexpr_affine_dequantize", given, {"w": ("float32", (4, 2))})])


AFFINE = {"quantized_data": CODES, "scale": 0.5, "zero_point": np.uint8(3), "axis": 0}
TABLE = {"indices": np.zeros(2, np.uint8), "lut": np.zeros(4, np.float32), "shape": uint32([2, 4])}


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("constexpr_affine_dequantize", AFFINE | {"scale": np.ones(3)}),
        ("constexpr_affine_dequantize", AFFINE | {"scale": np.ones((2, 1))}),
        ("constexpr_affine_dequantize", AFFINE | {"scale": np.ones(2), "axis": 5}),
        ("constexpr_affine_dequantize", AFFINE | {"zero_point": "text"}),
        ("constexpr_affine_dequantize", AFFINE | {"quantized_data": "text"}),
        ("constexpr_affine_dequantize", {"scale": 1.0}),
        ("constexpr_lut_to_dense", TABLE | {"lut": np.zeros(3)}),
        ("constexpr_lut_to_dense", TABLE | {"lut": np.zeros(512)}),
        ("constexpr_lut_to_dense", TABLE | {"indices": np.zeros(3, np.uint8)}),
        ("constexpr_lut_to_dense", TABLE | {"shape": uint32([2**30, 2**30])}),
        ("constexpr_lut_to_dense", TABLE | {"shape": uint32([])}),
        ("constexpr_lut_to_dense", TABLE | {"shape": np.array([-2, -4])}),
        ("constexpr_lut_to_dense", {"indices": CODES, "lut": np.zeros((1, 1, 16, 1))}),
        ("constexpr_sparse_to_dense", {"nonzero_data": np.ones(2), "mask": small(np.ones((2, 4)), 1)}),
        ("constexpr_cast", {"source_val": np.ones((2, 4), np.float16), "output_dtype": "fp99"}),
    ],
)
def test_damage_is_an_invalid_model(kind: str, given: dict[str, Any]) -> None:
    with pytest.raises(InvalidModelError, match=f"'w' \\({kind}\\)"):
        weights_of([(kind, given, OUT)])


def test_the_packing_of_these_tests_is_the_one_documented() -> None:
    # "indices = | 01 10 11 00 | xx xx xx 11 |": i0 = 0, i1 = 3, i2 = 2, i3 = 1, i4 = 3.
    assert packed(np.array([0, 3, 2, 1, 3]), 2) == bytes([0b01101100, 0b11])
    assert tensor_type("uint8", (2,)).tensorType.dataType == PACKED[8]
