from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from running import convert_layer, new_layer, run_layer

from mltoolkit.errors import InvalidModelError

COMPARISONS: dict[str, Callable[..., np.ndarray]] = {
    "equal": np.equal,
    "greaterEqual": np.greater_equal,
    "greaterThan": np.greater,
    "lessEqual": np.less_equal,
    "lessThan": np.less,
    "notEqual": np.not_equal,
}
LOGIC: dict[str, Callable[..., np.ndarray]] = {
    "logicalAnd": np.logical_and,
    "logicalOr": np.logical_or,
    "logicalXor": np.logical_xor,
}
SHAPES = [((4, 3), (4, 3)), ((2, 1, 3), (4, 1)), ((5,), (2, 1, 1, 3, 5)), ((1,), (6,))]


@pytest.mark.parametrize("kind", COMPARISONS)
@pytest.mark.parametrize(("left", "right"), SHAPES)
def test_two_inputs(kind: str, left: tuple[int, ...], right: tuple[int, ...], rng: np.random.Generator) -> None:
    # Few different values, so that equal ones meet.
    a, b = (rng.integers(-1, 2, shape).astype(np.float32) for shape in (left, right))
    layer, _ = new_layer(kind, ("a", "b"))
    y = run_layer(layer, {"a": a, "b": b}, rank5=False)["y"]
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, COMPARISONS[kind](a, b).astype(np.float32))


@pytest.mark.parametrize("kind", COMPARISONS)
def test_one_input_and_alpha(kind: str) -> None:
    layer, params = new_layer(kind)
    params.alpha = 0.1
    x = np.array([[-1, 0.1, 0.3], [np.inf, -np.inf, np.nan]], dtype=np.float32)
    y = run_layer(layer, {"x": x}, rank5=False)["y"]
    np.testing.assert_array_equal(y, COMPARISONS[kind](x, np.float32(0.1)).astype(np.float32))


@pytest.mark.parametrize("kind", LOGIC)
@pytest.mark.parametrize(("left", "right"), SHAPES)
def test_logic(kind: str, left: tuple[int, ...], right: tuple[int, ...], rng: np.random.Generator) -> None:
    a, b = (rng.choice([0, -0.0, 1, -2, 0.25], shape).astype(np.float32) for shape in (left, right))
    layer, _ = new_layer(kind, ("a", "b"))
    y = run_layer(layer, {"a": a, "b": b}, rank5=False)["y"]
    np.testing.assert_array_equal(y, LOGIC[kind](a, b).astype(np.float32))


def test_not() -> None:
    layer, _ = new_layer("logicalNot")
    y = run_layer(layer, {"x": np.array([0, -0.0, 1, -2, 1e-30])}, rank5=False)["y"]
    np.testing.assert_array_equal(y, [1, 1, 0, 0, 0])


@pytest.mark.parametrize(("kind", "inputs"), [("equal", ()), ("equal", ("a", "b", "a")), ("logicalAnd", ("a",))])
def test_a_wrong_number_of_inputs_is_refused(kind: str, inputs: tuple[str, ...]) -> None:
    layer, _ = new_layer(kind, inputs)
    with pytest.raises(InvalidModelError, match=f"inputs but has {len(inputs)}.*{kind}"):
        convert_layer(layer, {"a": (3,), "b": (3,)}, rank5=False)


def test_shapes_that_do_not_broadcast_are_refused() -> None:
    layer, _ = new_layer("lessThan", ("a", "b"))
    with pytest.raises(InvalidModelError, match="the layer"):
        convert_layer(layer, {"a": (3,), "b": (4,)}, rank5=False)
