"""Filling, ranges, one-hot vectors, repetition, windows, order, sums and reversal against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mil_programs import Ref, add_operation, new_program, one_operation
from mil_runs import check_one, run_one

from mltoolkit.errors import InvalidModelError
from mltoolkit.model import Model

RNG = np.random.default_rng(13)
X = RNG.normal(size=(3, 4, 5)).astype(np.float32)
WHOLE = RNG.integers(-3, 4, size=(3, 4)).astype(np.int32)


def run_sized(kind: str, arrays: dict[str, np.ndarray], constants: Any, dtype: str, rank: int) -> np.ndarray:
    """The output where the program does not know its sizes."""
    spec = one_operation(kind, arrays, constants, (dtype, (None,) * rank))
    return Model(spec).predict(arrays)["out"]


@pytest.mark.parametrize("value", [np.float32(2.5), np.int32(-3)])
def test_fill(value: Any) -> None:
    expected = np.full((2, 3), value)
    check_one("fill_like", {"ref_tensor": X[0, :2, :3]}, {"value": value}, expected)
    found = run_sized("fill", {"shape": np.array([2, 3], np.int32)}, {"value": value}, expected.dtype.name, 2)
    assert np.array_equal(found, expected)


def test_fill_with_truth_values() -> None:
    # A model gives no truth values out.
    spec, block = new_program({"x": ("float32", (2, 3))}, {"y": ("int32", (2, 3))})
    inputs = {"ref_tensor": Ref("x"), "value": np.bool_(True)}
    add_operation(block, "fill_like", inputs, {"full": ("bool", (2, 3))})
    add_operation(block, "cast", {"x": Ref("full"), "dtype": "int32"}, {"y": ("int32", (2, 3))})
    assert np.array_equal(Model(spec).predict({"x": X[0, :2, :3]})["y"], np.ones((2, 3)))


@pytest.mark.parametrize(
    ("start", "end", "step"), [(0, 5, 1), (5, -2, -3), (0.5, 2.5, 0.25), (-1.0, 1.0, 0.1), (3, 3, 1)]
)
@pytest.mark.parametrize("known", ["end", "step", "start"])
def test_range(start: float, end: float, step: float, known: str) -> None:
    dtype = np.int32 if isinstance(start, int) else np.float32
    given = {"start": start, "end": end, "step": step}
    arrays = {name: np.array([number], dtype) for name, number in given.items() if name != known}
    expected = np.arange(*(np.float64(dtype(number)) for number in given.values()))
    found = run_sized("range_1d", arrays, {known: dtype(given[known])}, np.dtype(dtype).name, 1)
    # Results are rounded to float32 once.
    np.testing.assert_allclose(found, expected.astype(dtype), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("known", [True, False])
def test_one_hot(axis: int, known: bool) -> None:
    size = np.array([4], np.int32)
    expected = np.moveaxis(np.where(WHOLE[..., None] == np.arange(4), 2.5, -1.0), -1, axis).astype(np.float32)
    constants = {"axis": np.int32(axis), "on_value": np.float32(2.5), "off_value": np.float32(-1)}
    arrays = {"indices": WHOLE}
    if known:
        check_one("one_hot", arrays, constants | {"one_hot_vector_size": np.int32(4)}, expected)
    else:
        found = run_sized("one_hot", arrays | {"one_hot_vector_size": size}, constants, "float32", 3)
        assert np.array_equal(found, expected)


def test_tile() -> None:
    check_one("tile", {"x": X}, {"reps": np.array([2, 1, 3])}, np.tile(X, (2, 1, 3)))
    found = run_sized("tile", {"x": WHOLE, "reps": np.array([1, 2], np.int32)}, {}, "int32", 2)
    assert np.array_equal(found, np.tile(WHOLE, (1, 2)))


@pytest.mark.parametrize(("axis", "size", "stride"), [(0, 2, 1), (1, 3, 1), (-1, 2, 2), (2, 5, 3)])
def test_sliding_windows(axis: int, size: int, stride: int) -> None:
    windows = np.lib.stride_tricks.sliding_window_view(X, size, axis)
    place = axis % 3
    expected = np.moveaxis(windows, -1, place + 1).take(range(0, X.shape[axis] - size + 1, stride), axis=place)
    constants = {"axis": np.int32(axis), "size": np.int32(size), "stride": np.int32(stride)}
    check_one("sliding_windows", {"x": X}, constants, expected)


@pytest.mark.parametrize("ascending", [True, False])
@pytest.mark.parametrize(("axis", "k"), [(0, 2), (-1, 3), (1, -1)])
@pytest.mark.parametrize("kind", ["float32", "int32"])
def test_topk(ascending: bool, axis: int, k: int, kind: str) -> None:
    x = (10 * X).astype(kind)
    # Among equal elements the first come first.
    order = np.argsort(x if ascending else -x, axis=axis, kind="stable").astype(np.int32)
    indices = order.take(range(k if k > 0 else x.shape[axis]), axis=axis)
    values = np.take_along_axis(x, indices, axis)
    constants: dict[str, Any] = {"k": np.int32(k), "axis": np.int32(axis), "ascending": np.bool_(ascending)}
    check_one("topk", {"x": x}, constants, values, indices)
    alone = constants | {"sort": np.bool_(False), "return_indices": np.bool_(False)}
    check_one("topk", {"x": x}, alone, values)
    typed = constants | {"output_indices_dtype": "uint16"}
    check_one("topk", {"x": x}, typed, values, indices)
    del constants["k"]
    check_one("argsort", {"x": x}, constants, order)


@pytest.mark.parametrize("kind", ["float32", "int32"])
def test_non_zero(kind: str) -> None:
    found = run_sized("non_zero", {"x": WHOLE.astype(kind)}, {}, "int32", 2)
    assert np.array_equal(found, np.argwhere(WHOLE))


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("reverse", [True, False])
@pytest.mark.parametrize("axis", [0, -1])
def test_cumsum(exclusive: bool, reverse: bool, axis: int) -> None:
    turned = np.flip(WHOLE, axis) if reverse else WHOLE
    sums = np.cumsum(turned, axis=axis) - (turned if exclusive else 0)
    expected = np.flip(sums, axis) if reverse else sums
    constants = {"axis": np.int32(axis), "exclusive": np.bool_(exclusive), "reverse": np.bool_(reverse)}
    for kind in ("int32", "float32"):
        check_one("cumsum", {"x": WHOLE.astype(kind)}, constants, expected.astype(kind))


def test_reverse() -> None:
    check_one("reverse", {"x": X}, {}, X[::-1, ::-1, ::-1])
    check_one("reverse", {"x": X}, {"axes": np.array([-1, 0])}, X[::-1, :, ::-1])
    check_one("reverse", {"x": X}, {"axes": np.zeros(0, np.int32)}, X)


@pytest.mark.parametrize(("batch", "sequence"), [(0, 1), (1, 0), (2, 0), (0, 2), (-1, 1)])
def test_reverse_sequence(batch: int, sequence: int) -> None:
    lengths = RNG.integers(0, X.shape[sequence] + 1, size=X.shape[batch]).astype(np.int32)
    expected = np.moveaxis(X, (batch, sequence), (0, 1)).copy()
    for element, length in zip(expected, lengths, strict=True):
        element[:length] = element[:length][::-1].copy()
    expected = np.moveaxis(expected, (0, 1), (batch, sequence))
    constants = {"batch_axis": np.int32(batch), "seq_axis": np.int32(sequence)}
    check_one("reverse_sequence", {"x": X, "lengths": lengths}, constants, expected)


@pytest.mark.parametrize(("lower", "upper"), [(-1, -1), (0, 0), (1, 0), (-1, 1), (2, -1), (9, 9)])
def test_band_part(lower: int, upper: int) -> None:
    rows, columns = np.indices((4, 5))
    band = ((lower < 0) | (rows - columns <= lower)) & ((upper < 0) | (columns - rows <= upper))
    constants = {"lower": np.int32(lower), "upper": np.int32(upper)}
    check_one("band_part", {"x": X}, constants, (X * band).astype(np.float32))


@pytest.mark.parametrize(
    ("kind", "arrays", "constants"),
    [
        ("fill", {"x": X}, {"shape": np.array([-1, 2])}),
        ("fill", {"x": X}, {"shape": np.array([1 << 20, 1 << 20])}),
        ("range_1d", {"end": WHOLE}, {"start": np.int32(0), "step": np.int32(0)}),
        ("range_1d", {"x": X}, {"start": np.float32(0), "end": np.float32(1), "step": np.float32(1e-30)}),
        ("one_hot", {"indices": WHOLE}, {"one_hot_vector_size": np.int32(2**31 - 1)}),
        ("tile", {"x": X}, {"reps": np.array([1, 2])}),
        ("tile", {"x": X}, {"reps": np.array([1, -2, 1])}),
        ("tile", {"x": X}, {"reps": np.array([1 << 30, 1, 1])}),
        ("sliding_windows", {"x": X}, {"axis": np.int32(0), "size": np.int32(4)}),
        ("sliding_windows", {"x": X}, {"axis": np.int32(0), "size": np.int32(2), "stride": np.int32(0)}),
        ("topk", {"x": X}, {"k": np.int32(6)}),
        ("topk", {"x": X}, {"axis": np.int32(3)}),
        ("reverse", {"x": X}, {"axes": np.array([3])}),
        ("reverse_sequence", {"x": X, "lengths": WHOLE[0]}, {"seq_axis": np.int32(1)}),
        ("reverse_sequence", {"x": X, "lengths": WHOLE[0]}, {"seq_axis": np.int32(0)}),
        ("band_part", {"x": X[0, 0]}, {}),
    ],
)
def test_what_does_not_fit_is_refused(kind: str, arrays: Any, constants: Any) -> None:
    with pytest.raises(InvalidModelError):
        run_one(kind, arrays, constants, np.zeros((1, 1), np.float32))
