"""slidingWindows against NumPy; exact, since it only copies."""

from __future__ import annotations

import numpy as np
import pytest
from running import assert_close, new_layer, run_layer

from mltoolkit.errors import InvalidModelError


def windows_layer(axis, window, step):
    layer, params = new_layer("slidingWindows")
    params.axis, params.windowSize, params.step = axis, window, step
    return layer


@pytest.mark.parametrize(("shape", "axis"), [((9,), 0), ((2, 9, 3), 1), ((2, 9), -1), ((2, 3, 9, 2, 2), -3)])
@pytest.mark.parametrize("window", [1, 4, 9])
@pytest.mark.parametrize("step", [1, 2, 7])
@pytest.mark.parametrize("known", [True, False])
def test_windows(rng, shape, axis, window, step, known):
    x = rng.normal(size=shape).astype(np.float32)
    front = axis % x.ndim
    all_windows = np.lib.stride_tricks.sliding_window_view(x, window, front)
    every = (*[slice(None)] * front, slice(None, None, step))
    expected = np.moveaxis(all_windows[every], -1, front + 1)
    shapes = None if known else {"x": (None,) * x.ndim}
    assert_close(run_layer(windows_layer(axis, window, step), {"x": x}, False, shapes=shapes)["y"], expected, 0)


@pytest.mark.parametrize(
    ("axis", "window", "step", "what"),
    [
        (2, 3, 1, "axis 2"),
        (0, 10, 1, "longer than the axis"),
        (0, 0, 1, "windowSize is 0"),
        (0, 3, 0, "step is 0"),
        (0, 2**63, 1, "windowSize"),
    ],
)
def test_impossible_windows(axis, window, step, what):
    with pytest.raises(InvalidModelError, match=what):
        run_layer(windows_layer(axis, window, step), {"x": np.zeros((9, 2))}, False)


def test_more_windows_than_memory():
    # A few bytes of a damaged file must not make indices by the billion.
    layer = windows_layer(0, 1 << 20, 1)
    with pytest.raises(InvalidModelError, match=r"GiB|generate"):
        run_layer(layer, {"x": np.zeros(1)}, False, shapes={"x": (1 << 30,)})
