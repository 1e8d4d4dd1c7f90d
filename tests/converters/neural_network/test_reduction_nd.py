from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from running import assert_close, convert_layer, new_layer, run_layer

from mltoolkit.errors import InvalidModelError

# Sums and products of at most 60 float32 values against float64.
TOLERANCE = 1e-5

REDUCTIONS: dict[str, Callable[..., Any]] = {
    "reduceL1": lambda x, **how: np.sum(np.abs(x), **how),
    "reduceL2": lambda x, **how: np.sqrt(np.sum(x * x, **how)),
    "reduceLogSum": lambda x, **how: np.log(np.sum(x, **how)),
    "reduceLogSumExp": lambda x, **how: np.log(np.sum(np.exp(x), **how)),
    "reduceMax": np.max,
    "reduceMean": np.mean,
    "reduceMin": np.min,
    "reduceProd": np.prod,
    "reduceSum": np.sum,
    "reduceSumSquare": lambda x, **how: np.sum(x * x, **how),
}
SHAPE = (2, 3, 2, 5)


@pytest.mark.parametrize("kind", REDUCTIONS)
@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("axes", [(0,), (-1,), (1, -2), (0, 2, 3), (0, -3, 2, 3), None])
def test_reductions(kind: str, keep: bool, axes: tuple[int, ...] | None, rng: np.random.Generator) -> None:
    layer, params = new_layer(kind)
    params.keepDims, params.reduceAll = keep, axes is None
    params.axes.extend(axes or ())
    x = rng.uniform(0.2, 1.5, SHAPE).astype(np.float32)
    if kind != "reduceLogSum":
        x *= rng.choice([-1, 1], SHAPE)
    expected = REDUCTIONS[kind](x.astype(np.float64), axis=axes, keepdims=keep)
    y = run_layer(layer, {"x": x}, rank5=False, shapes={"x": (2, "n", 2, None)})["y"]
    # Blobs have rank 1 or more.
    assert_close(y, np.atleast_1d(expected), TOLERANCE, kind)


def test_one_axis_of_rank_one() -> None:
    layer, params = new_layer("reduceMax")
    params.axes.append(0)
    assert_close(run_layer(layer, {"x": np.array([3.0, 7, 5])}, rank5=False)["y"], np.array([7.0]), 0)


def test_large_exponents_do_not_overflow() -> None:
    layer, params = new_layer("reduceLogSumExp")
    params.reduceAll = True
    y = run_layer(layer, {"x": np.full((2, 4), 500.0)}, rank5=False)["y"]
    assert_close(y, np.array([500 + np.log(8)]), 1e-6)


@pytest.mark.parametrize("axes", [(2,), (-3,), (0, 5), (1 << 40,)])
def test_axes_outside_the_rank_are_refused(axes: tuple[int, ...]) -> None:
    layer, params = new_layer("reduceSum")
    params.axes.extend(axes)
    with pytest.raises(InvalidModelError, match="of a blob of rank 2"):
        convert_layer(layer, {"x": (2, 3)}, rank5=False)


def test_no_axes_are_refused() -> None:
    layer, _ = new_layer("reduceMean")
    with pytest.raises(InvalidModelError, match="names no axes"):
        convert_layer(layer, {"x": (2, 3)}, rank5=False)
