from __future__ import annotations

import math

import numpy as np
import pytest
from running import assert_close, convert_layer, new_layer, run_layer

from mltoolkit.errors import InvalidModelError

# Start, end, step.
RANGES = [
    (-10.4, 23, 12.2),
    (0, 1000, 1),
    (50.5, 90.5, 1.5),
    (5, 8, 98),
    (10, 5, -0.6),
    (24, -65, -2),
    (0, 1, 0.1),
    (0, 5.1, 1.7),
    (3, 3, 1),
    (3, 2, 1),
    (0.1, 1000, 0.1),
]


def _reference(start: float, end: float, step: float) -> np.ndarray:
    # The file and the blobs hold float32; the arithmetic on them is exact.
    return np.arange(*map(float, np.float32([start, end, step])))


@pytest.mark.parametrize(("start", "end", "step"), RANGES)
def test_static(start: float, end: float, step: float) -> None:
    layer, params = new_layer("rangeStatic", ())
    params.startValue, params.endValue, params.stepSizeValue = start, end, step
    # One rounding to float32.
    assert_close(run_layer(layer, {}, rank5=False)["y"], _reference(start, end, step), 1e-7)


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize(("start", "end", "step"), RANGES)
def test_dynamic(count: int, rank: int, start: float, end: float, step: float) -> None:
    given = dict(zip(("end", "start", "step"), (end, start, step), strict=True))
    names = tuple(given)[:count]
    layer, params = new_layer("rangeDynamic", names)
    params.startValue, params.stepSizeValue = (math.nan if count > 1 else start), (0 if count > 2 else step)
    inputs = {name: np.full((1,) * rank, given[name]) for name in names}
    assert_close(run_layer(layer, inputs, rank5=False)["y"], _reference(start, end, step), 1e-7)


@pytest.mark.parametrize(
    ("start", "end", "step"),
    [(0, 1, 0), (0, math.inf, 1), (math.nan, 1, 1), (0, 1, math.nan), (0, 3e38, 1e-30)],
)
def test_endless_ranges_are_refused(start: float, end: float, step: float) -> None:
    layer, params = new_layer("rangeStatic", ())
    params.startValue, params.endValue, params.stepSizeValue = start, end, step
    with pytest.raises(InvalidModelError, match=r"has no end|limit here"):
        convert_layer(layer, {}, rank5=False)


def test_a_dynamic_range_without_step_is_refused() -> None:
    layer, _ = new_layer("rangeDynamic", ("end",))
    with pytest.raises(InvalidModelError, match="has no end"):
        convert_layer(layer, {"end": (1,)}, rank5=False)


def test_an_end_of_several_numbers_is_refused() -> None:
    layer, params = new_layer("rangeDynamic", ("end",))
    params.stepSizeValue = 1
    with pytest.raises(InvalidModelError, match="single number"):
        convert_layer(layer, {"end": (2,)}, rank5=False)
