"""Float16 programs: what computes whole numbers stays float32."""

from __future__ import annotations

from typing import Any

import numpy as np
from checking import check_onnx, one_node

from mltoolkit.formats.mil_types import TensorType, read_type

RNG = np.random.default_rng(53)


def types_of(checked: Any, kind: str) -> list[str]:
    """The element types that the program declares for the results of its operations of a type."""
    function = checked["mlpackage"].written.spec.mlProgram.functions["main"]
    block = function.block_specializations[function.opset]
    found = []
    for operation in block.operations:
        if operation.type == kind:
            declared = read_type(operation.outputs[0].type)
            assert isinstance(declared, TensorType)
            found.append(f"{declared.element.kind}{declared.element.bits}")
    return found


def test_products_of_codes() -> None:
    """Their sums go up to 390150, and float16 ends at 65504."""
    feeds = {"a": RNG.integers(200, 256, (3, 6)).astype(np.uint8)}
    weights = {"b": RNG.integers(200, 256, (6, 5)).astype(np.uint8)}
    checked = check_onnx(one_node("MatMulInteger", feeds, weights), feeds, formats=["mlpackage"], precision="float16")
    assert types_of(checked, "matmul") == ["float32"]


def test_whole_numbers_that_are_resized() -> None:
    numbers = {"x": RNG.integers(0, 100000, (1, 1, 3, 4)).astype(np.int32)}
    constants = {"s": np.array([1, 1, 2, 2], np.float32)}
    model = one_node("Resize", numbers, constants, ["x", "", "s"])
    checked = check_onnx(model, numbers, formats=["mlpackage"], precision="float16")
    assert types_of(checked, "upsample_nearest_neighbor") == ["float32"]


def test_everything_else_is_float16() -> None:
    feeds = {"x": RNG.standard_normal((3, 4)).astype(np.float32)}
    weights = {"w": RNG.standard_normal((4, 5)).astype(np.float32)}
    checked = check_onnx(
        one_node("MatMul", feeds, weights), feeds, formats=["mlpackage"], minimum=50, precision="float16"
    )
    assert set(types_of(checked, "matmul") + types_of(checked, "linear")) == {"float16"}
    numbers = {"i": RNG.integers(0, 9, (3, 4)).astype(np.int64)}
    checked = check_onnx(one_node("Cast", numbers, to=1), numbers, formats=["mlpackage"], precision="float16")
    assert types_of(checked, "cast")


def test_codes_of_16_bits_stay_within_their_limits() -> None:
    feeds = {"x": np.array([[-1e5, 1e5, 3.0, 700.0]], np.float32)}
    constants = {"s": np.array(2.0, np.float32), "z": np.array(0, np.int16)}
    check_onnx(one_node("QuantizeLinear", feeds, constants), feeds, formats=["mlpackage"], precision="float16")


def test_suppression() -> None:
    """The threshold that no score is below must be a number of float16, too."""
    boxes = np.array([[[0, 0, 1, 1], [0, 0.1, 1, 1.1], [2, 2, 3, 3]]], np.float32)
    feeds = {"b": boxes, "s": np.array([[[0.5, 0.75, 0.25]]], np.float32)}
    limits = {"m": np.array([3]), "i": np.array([0.5], np.float32)}
    model = one_node("NonMaxSuppression", feeds, limits)
    check_onnx(model, feeds, formats=["mlpackage"], precision="float16")
