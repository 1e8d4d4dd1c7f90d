"""Gathering and scattering against loops over the formulas in MIL's text."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from mil_runs import check_one, run_one

from mltoolkit.errors import InvalidModelError, PredictionError

RNG = np.random.default_rng(11)
X = RNG.normal(size=(3, 4, 5)).astype(np.float32)
MODES = ["update", "add", "sub", "mul", "div", "max", "min"]


def changed(mode: str, old: float, new: float) -> float:
    if mode == "update":
        return new
    operations = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide}
    return float((operations | {"max": np.maximum, "min": np.minimum})[mode](old, new))


def scattered(mode: str, data: np.ndarray, places: Any, updates: np.ndarray) -> np.ndarray:
    """Updates of one element in order; a place of None is left out."""
    result = data.astype(np.float64)
    for place, update in zip(places, updates.reshape(-1), strict=True):
        if place is not None:
            result[place] = changed(mode, result[place], update)
    return result.astype(data.dtype)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("shape", [(), (2,), (2, 3)])
def test_gather(axis: int, shape: tuple[int, ...]) -> None:
    indices = RNG.integers(-3, 3, size=shape).astype(np.int32)
    expected = np.take(X, indices, axis=axis)
    check_one("gather", {"x": X}, {"indices": indices, "axis": np.int32(axis)}, expected)
    if shape:
        check_one("gather", {"x": X, "indices": indices}, {"axis": np.int32(axis)}, expected)


@pytest.mark.parametrize(("axis", "batch"), [(1, 1), (2, 1), (2, 2), (-1, 1)])
def test_gather_with_batch_axes(axis: int, batch: int) -> None:
    indices = RNG.integers(0, 4, size=(3, 4, 2)).astype(np.int32)
    # tf.gather: the batch axes go together; the indices' other axes take the place of the axis.
    front = axis % 3 - batch
    expected = np.stack(
        [np.take(X[place], indices[place], axis=front) for place in itertools.product(*map(range, X.shape[:batch]))]
    )
    expected = expected.reshape(X.shape[:batch] + expected.shape[1:])
    constants = {"axis": np.int32(axis), "batch_dims": np.int32(batch)}
    check_one("gather", {"x": X, "indices": indices}, constants, expected)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_along_axis(axis: int) -> None:
    shape = list(X.shape)
    shape[axis] = 2
    indices = RNG.integers(-3, 3, size=shape).astype(np.int32)
    constants = {"axis": np.int32(axis)}
    arrays = {"x": X, "indices": indices}
    check_one("gather_along_axis", arrays, constants, np.take_along_axis(X, indices, axis))


@pytest.mark.parametrize(("depth", "batch"), [(1, 0), (2, 0), (3, 0), (1, 1), (2, 1)])
def test_gather_nd(depth: int, batch: int) -> None:
    limits = np.array(X.shape[batch : batch + depth])
    indices = RNG.integers(-limits, limits, size=(3, 2, depth)).astype(np.int32)
    if batch:
        expected = np.stack([[X[b][tuple(row)] for row in indices[b]] for b in range(3)])
    else:
        expected = np.stack([[X[tuple(row)] for row in rows] for rows in indices])
    check_one("gather_nd", {"x": X, "indices": indices}, {"batch_dims": np.int32(batch)}, expected)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["float32", "int32"])
def test_scatter_along_axis(mode: str, kind: str) -> None:
    if kind == "int32" and mode == "div":
        pytest.skip("how a quotient of whole numbers is rounded is not documented")
    data, updates = (RNG.integers(1, 9, size=shape).astype(kind) for shape in ((3, 4), (3, 6)))
    indices = RNG.integers(-4, 4, size=(3, 6)).astype(np.int32)
    places = [(row, column) for row in range(3) for column in indices[row]]
    expected = scattered(mode, data, places, updates)
    constants = {"axis": np.int32(1), "mode": mode}
    arrays = {"data": data, "indices": indices, "updates": updates}
    # One division instead of several roundings.
    check_one("scatter_along_axis", arrays, constants, expected, tolerance=1e-5 if mode == "div" else 0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(3,), (2, 2)])
def test_scatter(mode: str, shape: tuple[int, ...]) -> None:
    data = RNG.integers(1, 9, size=(2, 4, 3)).astype(np.float32)
    indices = RNG.integers(-4, 4, size=shape).astype(np.int32)
    updates = RNG.integers(1, 9, size=(2, *shape, 3)).astype(np.float32)
    flat = updates.reshape(2, -1, 3)
    places = itertools.product(range(2), indices.reshape(-1), range(3))
    expected = scattered(mode, data, list(places), flat)
    arrays = {"data": data, "indices": indices, "updates": updates}
    check_one("scatter", arrays, {"axis": np.int32(1), "mode": mode}, expected, tolerance=1e-5)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_scatter_nd(mode: str, depth: int) -> None:
    data = RNG.integers(1, 9, size=(2, 3, 4)).astype(np.float32)
    limits = np.array(data.shape[:depth])
    indices = RNG.integers(-limits, limits, size=(5, depth)).astype(np.int32)
    updates = RNG.integers(1, 9, size=(5, *data.shape[depth:])).astype(np.float32)
    inner = list(np.ndindex(*data.shape[depth:]))
    places = [(*row, *rest) for row in indices.tolist() for rest in inner]
    expected = scattered(mode, data, places, updates)
    arrays = {"data": data, "indices": indices, "updates": updates}
    check_one("scatter_nd", arrays, {"mode": mode}, expected, tolerance=1e-5)


def test_without_validation_indices_outside_write_nothing_and_read_inside() -> None:
    data, updates = np.ones((3, 2), np.float32), np.full((3, 2), 7, np.float32)
    indices = np.array([0, 5, -1], np.int32)
    constants = {"mode": "update", "axis": np.int32(0), "validate_indices": np.bool_(False)}
    expected = np.array([[7, 7], [1, 1], [1, 1]], np.float32)
    check_one("scatter", {"data": data, "indices": indices, "updates": updates}, constants, expected)
    check_one("scatter", {"data": data, "updates": updates}, constants | {"indices": indices}, expected)
    pairs = np.array([[0, 1], [2, 9], [-1, 0]], np.int32)
    expected = np.array([[1, 7], [1, 1], [1, 1]], np.float32)
    arrays = {"data": data, "indices": pairs, "updates": updates[:, 0]}
    del constants["axis"]
    check_one("scatter_nd", arrays, constants, expected)
    constants = {"validate_indices": np.bool_(False)}
    found = run_one("gather", {"x": X, "indices": indices}, constants, np.zeros((3, 4, 5), np.float32))[0]
    assert all(any(np.array_equal(row, given) for given in X) for row in found)


@pytest.mark.parametrize("index", [-1, 3])
def test_validation_refuses_indices_outside(index: int) -> None:
    indices, output = np.array([0, index], np.int32), np.zeros((2, 4, 5), np.float32)
    with pytest.raises(PredictionError):
        run_one("gather", {"x": X, "indices": indices}, {"validate_indices": np.bool_(True)}, output)
    with pytest.raises(InvalidModelError, match="outside"):
        run_one("gather", {"x": X}, {"indices": indices, "validate_indices": np.bool_(True)}, output)


@pytest.mark.parametrize(
    ("kind", "inputs", "constants"),
    [
        ("gather", {"x": X}, {"indices": np.array([3])}),
        ("gather", {"x": X}, {"indices": np.array([0]), "axis": np.int32(3)}),
        ("gather", {"x": X}, {"indices": np.array([0]), "batch_dims": np.int32(1)}),
        ("gather_along_axis", {"x": X}, {"indices": np.array([0])}),
        ("gather_nd", {"x": X}, {"indices": np.zeros((1, 4), np.int32)}),
        ("gather_nd", {"x": X}, {"indices": np.zeros((1, 0), np.int32)}),
        ("scatter", {"data": X, "updates": X}, {"indices": np.array([0])}),
        ("scatter", {"data": X, "updates": X}, {"indices": np.arange(3), "mode": "average"}),
        ("scatter_along_axis", {"data": X, "updates": X[:2]}, {"indices": np.zeros((3, 4, 5), np.int32)}),
        ("scatter_nd", {"data": X, "updates": X}, {"indices": np.zeros((3, 2), np.int32)}),
    ],
)
def test_what_does_not_fit_is_refused(kind: str, inputs: Any, constants: Any) -> None:
    with pytest.raises(InvalidModelError):
        run_one(kind, inputs, constants, np.zeros((1,) * 3, np.float32))
