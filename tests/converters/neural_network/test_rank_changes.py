"""expandDims and squeeze against NumPy; exact."""

from __future__ import annotations

import numpy as np
import pytest
from running import assert_close, new_layer, run_layer

from mltoolkit.errors import InvalidModelError


def axes_layer(kind, axes):
    layer, params = new_layer(kind)
    params.axes.extend(axes)
    return layer


@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        ((0,), (1, 10, 5)),
        ((-1,), (10, 5, 1)),
        ((0, 1), (1, 1, 10, 5)),
        ((0, 2), (1, 10, 1, 5)),
        ((2, 0), (1, 10, 1, 5)),
        ((-2, -1), (10, 5, 1, 1)),
        ((0, -1), (1, 10, 5, 1)),
    ],
)
def test_expand_dims(rng, axes, shape):
    x = rng.normal(size=(10, 5)).astype(np.float32)
    assert_close(run_layer(axes_layer("expandDims", axes), {"x": x}, False)["y"], x.reshape(shape), 0)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    ("shape", "axes", "expected"),
    [
        ((1, 1, 10, 5), (0, 1), (10, 5)),
        ((1, 10, 5, 1), (0, 3), (10, 5)),
        ((10, 5, 1, 1), (-2, -1), (10, 5)),
        ((1, 10), (-2,), (10,)),
        ((1,), (0,), (1,)),
        ((1, 1), (0, 1), (1,)),
    ],
)
def test_squeeze(rng, shape, axes, expected, known):
    x = rng.normal(size=shape).astype(np.float32)
    shapes = None if known else {"x": (None,) * len(shape)}
    result = run_layer(axes_layer("squeeze", axes), {"x": x}, False, shapes=shapes)["y"]
    assert_close(result, x.reshape(expected), 0)


@pytest.mark.parametrize("shape", [(1,), (1, 1, 1), (3,), (1, 3), (2, 1, 3, 1), (2, 3), (0, 1, 2)])
@pytest.mark.parametrize("known", [True, False])
def test_squeeze_all(rng, shape, known):
    x = rng.normal(size=shape).astype(np.float32)
    layer, params = new_layer("squeeze")
    params.squeezeAll = True
    shapes = None if known else {"x": (None,) * len(shape)}
    result = run_layer(layer, {"x": x}, False, shapes=shapes)["y"]
    assert_close(result, np.atleast_1d(x.squeeze()), 0)


@pytest.mark.parametrize("kind", ["expandDims", "squeeze"])
@pytest.mark.parametrize("axes", [(), (0, 0), (0, 7), (-9,)])
def test_impossible_axes(kind, axes):
    with pytest.raises(InvalidModelError, match="no different axes of rank"):
        run_layer(axes_layer(kind, axes), {"x": np.zeros((1, 2, 1))}, False)


def test_the_same_axis_from_both_ends():
    with pytest.raises(InvalidModelError, match=r"\[0, -3\] are no different axes of rank 3"):
        run_layer(axes_layer("squeeze", (0, -3)), {"x": np.zeros((1, 2, 1))}, False)


def test_squeezing_an_axis_of_another_size():
    with pytest.raises(InvalidModelError, match="do not all have size 1"):
        run_layer(axes_layer("squeeze", (1,)), {"x": np.zeros((1, 2, 1))}, False)
