"""Gather, Scatter, ordering and filling: negative indices, shorter indices, flexible shapes, all systems."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checking import check_onnx, check_refused, one_node
from onnx import numpy_helper

RNG = np.random.default_rng(41)
SYSTEMS = ["iOS15", "iOS16", "iOS17", "iOS18"]


def random(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def integers(low: int, high: int, *shape: int) -> np.ndarray:
    return RNG.integers(low, high, shape).astype(np.int64)


@pytest.mark.parametrize("system", SYSTEMS)
def test_gather_with_negative_indices(system: str) -> None:
    feeds = {"x": random(3, 4, 2), "i": np.array([[-1, 0], [3, -4]])}
    check_onnx(one_node("Gather", feeds, axis=1), feeds, formats=["mlpackage"], minimum_deployment_target=system)


@pytest.mark.parametrize("index", [2, -1, [1, -2]])
def test_rows_of_a_constant_matrix(index: Any) -> None:
    """In a neural network an embedding, which takes no negative numbers, nor scalars."""
    feeds = {"i": np.array(index)}
    check_onnx(one_node("Gather", feeds, {"w": random(5, 3)}, ["w", "i"]), feeds)


def test_gather_with_constant_scalar_and_bools() -> None:
    feeds = {"x": random(3, 4)}
    check_onnx(one_node("Gather", feeds, {"i": np.array(-2)}, axis=1), feeds)
    bools = {"x": RNG.random((4, 3)) > 0.5, "i": np.array([1, -1])}
    check_onnx(one_node("Gather", bools), bools)


def test_gather_over_a_flexible_axis() -> None:
    feeds = {"x": random(5, 3), "i": np.array([-1, 2])}
    model = one_node("Gather", feeds, shapes={"x": ["n", 3]})
    check_onnx(model, feeds)
    check_onnx(model, feeds, formats=["mlpackage"], minimum_deployment_target="iOS17")


def test_an_index_outside_is_refused() -> None:
    model = one_node("Gather", {"x": random(3)}, {"i": np.array([2])})
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.array([3]), "i"))
    check_refused(model, "outside")


@pytest.mark.parametrize("system", ["iOS15", "iOS17"])
@pytest.mark.parametrize("rows", [3, 2])
def test_gather_elements(system: str, rows: int) -> None:
    feeds = {"x": random(3, 4), "i": integers(-4, 4, rows, 5)}
    model = one_node("GatherElements", feeds, axis=1)
    check_onnx(model, feeds, minimum_deployment_target=system)


@pytest.mark.parametrize("system", ["iOS15", "iOS16", "iOS17"])
@pytest.mark.parametrize("batch", [0, 1])
def test_gather_nd(system: str, batch: int) -> None:
    feeds = {"x": random(2, 3, 4), "i": integers(-2, 2, 2, 5, 2)}
    model = one_node("GatherND", feeds, batch_dims=batch)
    check_onnx(model, feeds, minimum_deployment_target=system)


@pytest.mark.parametrize("system", ["iOS15", "iOS17"])
@pytest.mark.parametrize("reduction", ["none", "add", "mul", "max", "min"])
def test_scatter_elements(system: str, reduction: str) -> None:
    feeds = {"x": random(3, 5), "i": np.array([[-1, 0, 3], [2, 1, -2]]), "u": random(2, 3)}
    model = one_node("ScatterElements", feeds, axis=1, reduction=reduction)
    check_onnx(model, feeds, minimum_deployment_target=system)


@pytest.mark.parametrize("reduction", ["none", "add"])
def test_scatter_nd(reduction: str) -> None:
    feeds = {"x": random(3, 4, 2), "i": np.array([[0, -1], [-2, 1]]), "u": random(2, 2)}
    model = one_node("ScatterND", feeds, reduction=reduction)
    check_onnx(model, feeds)
    check_onnx(model, feeds, formats=["mlpackage"], minimum_deployment_target="iOS17")


def test_scatter_of_integers_and_bools() -> None:
    numbers = {"x": integers(-9, 9, 3, 4), "i": np.array([[1, 0, -1, 2]]), "u": integers(-9, 9, 1, 4)}
    check_onnx(one_node("ScatterElements", numbers, axis=0), numbers)
    bools = {"x": RNG.random(4) > 0.5, "i": np.array([[1], [3]]), "u": np.array([True, False])}
    check_onnx(one_node("ScatterND", bools), bools)


@pytest.mark.parametrize("largest", [0, 1])
def test_top_k_keeps_the_order_of_equal_elements(largest: int) -> None:
    feeds = {"x": integers(0, 4, 2, 7).astype(np.float32)}
    model = one_node("TopK", feeds, {"k": np.array([5])}, outputs=2, axis=1, largest=largest)
    check_onnx(model, feeds)


@pytest.mark.parametrize("operator", ["ArgMax", "ArgMin"])
@pytest.mark.parametrize(("last", "keep"), [(0, 1), (1, 0)])
def test_arguments_of_equal_elements(operator: str, last: int, keep: int) -> None:
    feeds = {"x": integers(0, 3, 3, 6).astype(np.float32)}
    check_onnx(one_node(operator, feeds, axis=-1, select_last_index=last, keepdims=keep), feeds)


@pytest.mark.parametrize("in_order", [0, 1])
def test_unique(in_order: int) -> None:
    feeds = {"x": np.array([[4, 2, 4], [7, 2, 1]], np.float32)}
    check_onnx(one_node("Unique", feeds, outputs=4, sorted=in_order), feeds)


def test_unique_slices_are_refused() -> None:
    check_refused(one_node("Unique", {"x": random(3, 2)}, outputs=4, axis=0), "slices are compared")


@pytest.mark.parametrize(("exclusive", "reverse"), [(0, 1), (1, 0)])
def test_running_sums(exclusive: int, reverse: int) -> None:
    feeds = {"x": random(3, 6)}
    check_onnx(one_node("CumSum", feeds, {"a": np.array(-1)}, exclusive=exclusive, reverse=reverse), feeds)


def test_choice_that_the_condition_alone_makes_large() -> None:
    """coremltools 9.0 gives ``select`` the shape of its two values, whatever the condition's."""
    feeds = {"c": RNG.random((3, 4)) > 0.5, "a": random(1), "b": np.array([-np.inf], np.float32)}
    check_onnx(one_node("Where", feeds), feeds)
    check_onnx(one_node("Where", {"c": feeds["c"]}, {"a": feeds["a"][0], "b": feeds["b"][0]}), {"c": feeds["c"]})
    bools = {"c": feeds["c"], "a": np.array([True]), "b": RNG.random((1, 4)) > 0.5}
    expected = np.where(bools["c"], bools["a"], bools["b"])
    check_onnx(one_node("Where", bools), bools, expected={"y": expected})


@pytest.mark.parametrize("axis", [0, -1])
def test_one_hot(axis: int) -> None:
    feeds = {"i": np.array([[1, -1], [3, 0]])}
    constants = {"d": np.array(4), "v": np.array([-2.0, 5.0], np.float32)}
    check_onnx(one_node("OneHot", feeds, constants, axis=axis), feeds)


@pytest.mark.parametrize(("upper", "offset"), [(1, -1), (1, 2), (0, 1), (0, -2)])
@pytest.mark.parametrize("rows", [4, "n"])
def test_triangles(upper: int, offset: int, rows: Any) -> None:
    feeds = {"x": random(2, 4, 5)}
    model = one_node("Trilu", feeds, {"k": np.array(offset)}, shapes={"x": [2, rows, 5]}, upper=upper)
    check_onnx(model, feeds)


def test_flexible_eye_and_range() -> None:
    feeds = {"x": random(4, 3)}
    check_onnx(one_node("EyeLike", feeds, shapes={"x": ["n", 3]}, k=1), feeds)
    numbers = {"a": np.array(2), "b": np.array(11), "c": np.array(3)}
    check_onnx(one_node("Range", numbers), numbers)


def test_reverse_sequence() -> None:
    feeds = {"x": random(4, 3, 2), "l": np.array([1, 4, 3])}
    check_onnx(one_node("ReverseSequence", feeds, time_axis=0, batch_axis=1), feeds)


def test_compress() -> None:
    feeds = {"x": random(3, 4), "c": np.array([True, False, True])}
    check_onnx(one_node("Compress", feeds), feeds)
    check_onnx(one_node("Compress", feeds, axis=1), feeds)


@pytest.mark.parametrize("operator", ["BitwiseAnd", "BitwiseOr", "BitwiseXor"])
def test_bits(operator: str) -> None:
    wide = {"x": integers(-(1 << 31), 1 << 31, 3, 4).astype(np.int32)}
    wide["z"] = integers(-(1 << 31), 1 << 31, 4).astype(np.int32)
    check_onnx(one_node(operator, wide), wide, formats=["mlpackage"])
    check_refused(one_node(operator, wide), "all bits", formats=["mlmodel"])
    narrow = {name: integers(-(1 << 15), 1 << 15, 3, 4).astype(np.int16) for name in "xz"}
    check_onnx(one_node(operator, narrow), narrow)
    unsigned = {name: integers(0, 256, 3, 4).astype(np.uint8) for name in "xz"}
    check_onnx(one_node(operator, unsigned), unsigned)


@pytest.mark.parametrize("kind", [np.uint8, np.uint32])
def test_shifts(kind: Any) -> None:
    width = 8 * np.dtype(kind).itemsize
    formats = ["mlpackage", "mlmodel"] if width == 8 else ["mlpackage"]
    amounts = np.arange(width, dtype=kind)
    right = {"x": np.full(width, min((1 << width) - 38, 0x7654FEDC), kind), "n": amounts}
    check_onnx(one_node("BitShift", right, direction="RIGHT"), right, formats=formats)
    # Of 32 bits, those are kept that an int32 holds.
    left = {"x": np.full(width, 0xDB if width == 8 else 0x1234DB, kind), "n": amounts}
    expected = (left["x"] << amounts).astype(np.uint8 if width == 8 else np.int32)
    check_onnx(one_node("BitShift", left, direction="LEFT"), left, formats=formats, expected={"y": expected})
