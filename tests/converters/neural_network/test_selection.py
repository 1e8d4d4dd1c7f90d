from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from running import convert_layer, new_layer, run_layer

from mltoolkit.errors import InvalidModelError


@pytest.mark.parametrize(
    "shapes",
    [
        ((4, 3), (4, 3), (4, 3)),
        ((3,), (4, 1), (1,)),
        ((2, 1, 3), (3,), (5, 1)),
        ((1,), (2, 2, 2, 1, 2), (2, 1)),
    ],
)
def test_where(shapes: tuple[tuple[int, ...], ...], rng: np.random.Generator) -> None:
    c, a, b = (rng.normal(size=shape).astype(np.float32) for shape in shapes)
    c = np.where(c > 0, c, 0)
    layer, _ = new_layer("whereBroadcastable", ("c", "a", "b"))
    y = run_layer(layer, {"c": c, "a": a, "b": b}, rank5=False)["y"]
    np.testing.assert_array_equal(y, np.where(c, a, b))


@pytest.mark.parametrize("shape", [(9,), (3, 4), (2, 3, 2, 2, 3)])
@pytest.mark.parametrize("known", [True, False])
def test_where_non_zero(shape: tuple[int, ...], known: bool, rng: np.random.Generator) -> None:
    x = rng.integers(0, 3, shape)
    layer, _ = new_layer("whereNonZero")
    shapes: Any = {} if known else {"x": (None,) * len(shape)}
    y = run_layer(layer, {"x": x}, rank5=False, shapes=shapes)["y"]
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, np.argwhere(x))


def test_nothing_but_zeros() -> None:
    layer, _ = new_layer("whereNonZero")
    assert run_layer(layer, {"x": np.zeros((3, 4))}, rank5=False)["y"].shape == (0, 2)


def test_a_missing_input_is_refused() -> None:
    layer, _ = new_layer("whereBroadcastable", ("c", "a"))
    with pytest.raises(InvalidModelError, match="takes 3 inputs but has 2"):
        convert_layer(layer, {"c": (3,), "a": (3,)}, rank5=False)
