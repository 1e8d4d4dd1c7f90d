from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from running import assert_close, convert_layer, new_layer, run_layer

from mltoolkit.errors import InvalidModelError

# One float32 operation; pow of onnxruntime's is good to a few units in the last place.
TOLERANCE = 1e-6

ARITHMETIC: dict[str, Callable[..., np.ndarray]] = {
    "addBroadcastable": np.add,
    "divideBroadcastable": np.divide,
    "floorDivBroadcastable": np.floor_divide,
    "maxBroadcastable": np.maximum,
    "minBroadcastable": np.minimum,
    "modBroadcastable": np.mod,
    "multiplyBroadcastable": np.multiply,
    "powBroadcastable": lambda a, b: np.power(np.abs(a), b),
    "subtractBroadcastable": np.subtract,
}
SHAPES = [((4, 3), (4, 3)), ((2, 1, 3), (4, 1)), ((5,), (2, 1, 1, 3, 5)), ((2, 3, 1), (1,))]


@pytest.mark.parametrize("kind", ARITHMETIC)
@pytest.mark.parametrize(("left", "right"), SHAPES)
def test_arithmetic(kind: str, left: tuple[int, ...], right: tuple[int, ...], rng: np.random.Generator) -> None:
    a, b = (rng.normal(0, 3, shape).astype(np.float32) for shape in (left, right))
    if kind == "powBroadcastable":
        a = np.abs(a)
    layer, _ = new_layer(kind, ("a", "b"))
    y = run_layer(layer, {"a": a, "b": b}, rank5=False, shapes={"b": ("n",) * len(right)})["y"]
    assert_close(y, ARITHMETIC[kind](a, b), TOLERANCE, kind)


@pytest.mark.parametrize("kind", ["modBroadcastable", "floorDivBroadcastable"])
def test_signs_and_multiples_as_in_numpy(kind: str) -> None:
    a = np.array([7, -7, 7, -7, 6, -6, 1, 0.3, -0.0, 5e8], dtype=np.float32)[:, None]
    b = np.array([3, -3, 0.1, -0.1, 1e-3], dtype=np.float32)
    layer, _ = new_layer(kind, ("a", "b"))
    y = run_layer(layer, {"a": a, "b": b}, rank5=False)["y"]
    np.testing.assert_array_equal(y, ARITHMETIC[kind](a, b))


def test_a_quotient_that_float32_rounds_up() -> None:
    a, b = np.float32([1]), np.float32([0.1])
    assert np.floor(a / b) == 10  # the exact quotient is below 10
    layer, _ = new_layer("floorDivBroadcastable", ("a", "b"))
    assert run_layer(layer, {"a": a, "b": b}, rank5=False)["y"] == 9


def test_division_by_zero() -> None:
    a, zero = np.array([1.0, -1, 0]), np.zeros(3)
    layer, _ = new_layer("floorDivBroadcastable", ("a", "b"))
    y = run_layer(layer, {"a": a, "b": zero}, rank5=False)["y"]
    np.testing.assert_array_equal(y, [np.inf, -np.inf, np.nan])
    layer, _ = new_layer("modBroadcastable", ("a", "b"))
    assert np.isnan(run_layer(layer, {"a": a, "b": zero}, rank5=False)["y"]).all()


@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("kind", ["addBroadcastable", "modBroadcastable"])
def test_a_wrong_number_of_inputs_is_refused(kind: str, count: int) -> None:
    layer, _ = new_layer(kind, ("a",) * count)
    with pytest.raises(InvalidModelError, match=f"takes 2 inputs but has {count}"):
        convert_layer(layer, {"a": (3,)}, rank5=False)


def test_shapes_that_do_not_broadcast_are_refused() -> None:
    layer, _ = new_layer("powBroadcastable", ("a", "b"))
    with pytest.raises(InvalidModelError, match="the layer"):
        convert_layer(layer, {"a": (2, 3), "b": (4, 3)}, rank5=False)
