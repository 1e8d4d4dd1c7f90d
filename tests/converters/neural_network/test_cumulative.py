from __future__ import annotations

import numpy as np
import pytest
from running import assert_close, convert_layer, new_layer, run_layer

from mltoolkit.errors import InvalidModelError


def _reference(x: np.ndarray, axis: int, exclusive: bool, reverse: bool) -> np.ndarray:
    x = np.moveaxis(x.astype(np.float64), axis, 0)
    if reverse:
        x = x[::-1]
    sums = np.cumsum(x, axis=0)
    if exclusive:
        sums = np.concatenate([np.zeros_like(x[:1]), sums[:-1]])
    return np.moveaxis(sums[::-1] if reverse else sums, 0, axis)


@pytest.mark.parametrize("axis", [0, 1, -1, -3])
@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("reverse", [True, False])
@pytest.mark.parametrize("by_input", [True, False])
def test_cumulative_sums(axis: int, exclusive: bool, reverse: bool, by_input: bool, rng: np.random.Generator) -> None:
    layer, params = new_layer("cumSum", ("x", "axis")[: 1 + by_input])
    params.excludeFinalSum, params.reverse = exclusive, reverse
    params.axis = 0 if by_input else axis
    x = rng.normal(size=(3, 4, 2)).astype(np.float32)
    y = run_layer(layer, {"x": x, "axis": np.array([axis])}, rank5=False)["y"]
    # Four float32 additions.
    assert_close(y, _reference(x, axis, exclusive, reverse), 1e-6)


def test_the_examples_of_the_format() -> None:
    expected = {
        (False, False): [4, 10, 17],
        (True, False): [0, 4, 10],
        (False, True): [17, 13, 7],
        (True, True): [13, 7, 0],
    }
    for (exclusive, reverse), sums in expected.items():
        layer, params = new_layer("cumSum")
        params.excludeFinalSum, params.reverse = exclusive, reverse
        np.testing.assert_array_equal(run_layer(layer, {"x": np.array([4, 6, 7])}, rank5=False)["y"], sums)


def test_an_axis_outside_the_rank_is_refused() -> None:
    layer, params = new_layer("cumSum")
    params.axis = 2
    with pytest.raises(InvalidModelError, match="axis 2 of a blob of rank 2"):
        convert_layer(layer, {"x": (3, 4)}, rank5=False)
