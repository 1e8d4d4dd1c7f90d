from __future__ import annotations

import numpy as np
import pytest
from running import convert_layer, new_layer, run_layer

from mltoolkit.errors import InvalidModelError

SHAPE = (4, 3, 5)


@pytest.mark.parametrize("kind", ["argMax", "argMin"])
@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
@pytest.mark.parametrize("remove", [True, False])
def test_extremum(kind: str, axis: int, remove: bool, rng: np.random.Generator) -> None:
    layer, params = new_layer(kind)
    params.axis, params.removeDim = axis, remove
    # Equal elements occur: the first of them counts, as in NumPy.
    x = rng.integers(0, 4, SHAPE).astype(np.float32)
    function = np.argmax if kind == "argMax" else np.argmin
    y = run_layer(layer, {"x": x}, rank5=False)["y"]
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, function(x, axis=axis, keepdims=not remove))


@pytest.mark.parametrize("remove", [True, False])
def test_a_vector_keeps_its_axis(remove: bool) -> None:
    layer, params = new_layer("argMax")
    params.removeDim = remove
    np.testing.assert_array_equal(run_layer(layer, {"x": np.array([1, 5, 2])}, rank5=False)["y"], [1])


def _expected(x: np.ndarray, axis: int, largest: bool) -> np.ndarray:
    return np.argsort(-x if largest else x, axis=axis, kind="stable")


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("bottom", [True, False])
@pytest.mark.parametrize("by_input", [True, False])
def test_top_k(axis: int, bottom: bool, by_input: bool, rng: np.random.Generator) -> None:
    layer, params = new_layer("topK", ("x", "k")[: 1 + by_input], ("values", "indices"))
    params.axis, params.useBottomK = axis, bottom
    params.K = 1 if by_input else 3
    x = rng.integers(0, 6, SHAPE).astype(np.float32)
    result = run_layer(layer, {"x": x, "k": np.array([3])}, rank5=False, shapes={"x": ("a", "b", 5)})
    order = np.take(_expected(x, axis, not bottom), range(3), axis=axis)
    np.testing.assert_array_equal(result["indices"], order)
    np.testing.assert_array_equal(result["values"], np.take_along_axis(x, order, axis=axis))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_arg_sort(axis: int, descending: bool, known: bool, rng: np.random.Generator) -> None:
    layer, params = new_layer("argSort")
    params.axis, params.descending = axis, descending
    x = rng.integers(0, 6, SHAPE).astype(np.float32)
    y = run_layer(layer, {"x": x}, rank5=False, shapes={} if known else {"x": ("a", "b", "c")})["y"]
    np.testing.assert_array_equal(y, _expected(x, axis, descending))


@pytest.mark.parametrize("count", [0, 6, 1 << 40])
def test_a_k_that_no_axis_has_is_refused(count: int) -> None:
    layer, params = new_layer("topK", outputs=("values", "indices"))
    params.axis, params.K = 2, count
    with pytest.raises(InvalidModelError, match=f"K is {count}"):
        convert_layer(layer, {"x": SHAPE}, rank5=False)


def test_a_k_of_several_numbers_is_refused() -> None:
    layer, _ = new_layer("topK", ("x", "k"), ("values", "indices"))
    with pytest.raises(InvalidModelError, match=r"single number but gets a blob of shape \(2,\)"):
        convert_layer(layer, {"x": SHAPE, "k": (2,)}, rank5=False)


@pytest.mark.parametrize("kind", ["argMax", "argSort", "topK"])
@pytest.mark.parametrize("axis", [3, -4])
def test_an_axis_outside_the_rank_is_refused(kind: str, axis: int) -> None:
    layer, params = new_layer(kind, outputs=("y", "z"))
    params.axis = axis
    with pytest.raises(InvalidModelError, match=f"axis {axis} of a blob of rank 3"):
        convert_layer(layer, {"x": SHAPE}, rank5=False)
