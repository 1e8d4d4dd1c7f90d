"""Gather layers against NumPy; exact, since they only copy."""

from __future__ import annotations

import numpy as np
import pytest
from running import assert_close, new_layer, run_layer

from mltoolkit.errors import InvalidModelError


def gather_layer(kind, axis=None):
    layer, params = new_layer(kind, ["x", "indices"])
    if axis is not None:
        params.axis = axis
    return layer


def unknown(array):
    return (None,) * array.ndim


@pytest.mark.parametrize("rank", [1, 2, 4])
@pytest.mark.parametrize("indices_shape", [(1,), (6,), (2, 3)])
@pytest.mark.parametrize("known", [True, False])
def test_gather_is_numpys_take(rng, rank, indices_shape, known):
    x = rng.normal(size=(4, 3, 5, 2)[:rank]).astype(np.float32)
    for axis in range(-rank, rank):
        size = x.shape[axis]
        indices = rng.integers(-size, size, indices_shape)
        inputs = {"x": x, "indices": indices}
        shapes = None if known else {name: unknown(array) for name, array in inputs.items()}
        result = run_layer(gather_layer("gather", axis), inputs, False, shapes=shapes)["y"]
        assert_close(result, np.take(x, indices, axis), 0, f"axis {axis}")


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
def test_gather_along_axis_is_numpys_take_along_axis(rng, axis):
    x = rng.normal(size=(4, 3, 5)).astype(np.float32)
    shape = list(x.shape)
    shape[axis] = 7
    indices = rng.integers(-x.shape[axis], x.shape[axis], shape)
    result = run_layer(gather_layer("gatherAlongAxis", axis), {"x": x, "indices": indices}, False)["y"]
    assert_close(result, np.take_along_axis(x, indices, axis), 0)


@pytest.mark.parametrize("leading", [(), (6,), (2, 3)])
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("known", [True, False])
def test_gather_nd(rng, leading, depth, known):
    x = rng.normal(size=(4, 3, 5)).astype(np.float32)
    indices = np.stack([rng.integers(-size, size, leading) for size in x.shape[:depth]], axis=-1)
    inputs = {"x": x, "indices": indices}
    # ONNX needs the length of an index to know the rank of the result.
    shapes = None if known else {"x": unknown(x), "indices": (*(None,) * len(leading), depth)}
    result = run_layer(gather_layer("gatherND"), inputs, False, shapes=shapes)["y"]
    expected = x[tuple(np.moveaxis(indices, -1, 0))]
    # Core ML has no rank 0.
    assert_close(result, np.atleast_1d(expected), 0)


@pytest.mark.parametrize("kind", ["gather", "gatherAlongAxis"])
@pytest.mark.parametrize("axis", [2, -3])
def test_axis_out_of_range(kind, axis):
    with pytest.raises(InvalidModelError, match=f"axis {axis}"):
        run_layer(gather_layer(kind, axis), {"x": np.ones((2, 3)), "indices": np.zeros((1, 1))}, False)


def test_gather_along_axis_needs_one_rank():
    with pytest.raises(InvalidModelError, match="ranks 2 and 1"):
        run_layer(gather_layer("gatherAlongAxis", 0), {"x": np.ones((2, 3)), "indices": np.zeros(1)}, False)


def test_gather_nd_with_too_long_indices():
    with pytest.raises(InvalidModelError):
        run_layer(gather_layer("gatherND"), {"x": np.ones((2, 3)), "indices": np.zeros((4, 3))}, False)


def test_number_of_inputs():
    layer, _ = new_layer("gather", ["x"])
    with pytest.raises(InvalidModelError, match="takes 2 inputs but has 1"):
        run_layer(layer, {"x": np.ones(2)}, False)
