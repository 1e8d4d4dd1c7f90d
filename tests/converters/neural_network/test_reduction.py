"""The reduce layer against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from running import assert_close, new_layer, run_layer

from mltoolkit.errors import InvalidModelError

AXES = {"CHW": (-3, -2, -1), "HW": (-2, -1), "C": (-3,), "H": (-2,), "W": (-1,)}


def reference(x, mode, axes, epsilon):
    keep = {"axis": axes, "keepdims": True}
    match mode:
        case "SUM":
            return np.sum(x, **keep)
        case "AVG":
            return np.mean(x, **keep)
        case "PROD":
            return np.prod(x, **keep)
        case "LOGSUM":
            return np.sum(np.log(x + epsilon), **keep)
        case "SUMSQUARE":
            return np.sum(x * x, **keep)
        case "L1":
            return np.sum(np.abs(x), **keep)
        case "L2":
            return np.sqrt(np.sum(x * x, **keep))
        case "MAX":
            return np.max(x, **keep)
        case "MIN":
            return np.min(x, **keep)
        case "ARGMAX":
            return np.argmax(x, axis=axes[0], keepdims=True)
    raise AssertionError(mode)


def run_reduce(x, mode, axis, epsilon=0.0, rank5=True):
    layer, params = new_layer("reduce")
    params.mode = params.ReduceOperation.Value(mode)
    params.axis = params.ReduceAxis.Value(axis)
    params.epsilon = epsilon
    return run_layer(layer, {"x": x}, rank5)["y"]


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("mode", ["SUM", "AVG", "PROD", "LOGSUM", "SUMSQUARE", "L1", "L2", "MAX", "MIN"])
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 3, 1, 2), (4, 5, 6), (2, 1, 3, 4, 2)])
def test_modes_and_axes(rng, mode, axis, shape):
    # Logarithms need positive values.
    x = rng.uniform(0.1, 2.0, shape) if mode == "LOGSUM" else rng.normal(size=shape)
    x = x.astype(np.float32)
    expected = reference(x.astype(np.float64), mode, AXES[axis], 1e-6)
    # float32 sums of up to 60 terms of order 1.
    assert_close(run_reduce(x, mode, axis, rank5=len(shape) == 4), expected, 1e-5, f"{mode} {axis}")


@pytest.mark.parametrize("axis", ["C", "H", "W"])
def test_argmax_gives_the_first_of_equals(rng, axis):
    x = rng.integers(0, 3, size=(2, 6, 5, 7)).astype(np.float32)
    actual = run_reduce(x, "ARGMAX", axis)
    assert actual.dtype == np.float32
    assert_close(actual, reference(x, "ARGMAX", AXES[axis], 0), 0)


def test_logsum_uses_the_stated_epsilon(rng):
    x = np.zeros((1, 2, 3, 1), np.float32)
    assert_close(run_reduce(x, "LOGSUM", "CHW", 0.5), np.full((1, 1, 1, 1), 6 * np.log(0.5)))


def test_low_ranks_of_exact_mapping(rng):
    x = rng.normal(size=7).astype(np.float32)
    assert_close(run_reduce(x, "SUM", "W", rank5=False), x.sum(keepdims=True))


@pytest.mark.parametrize(
    ("mode", "axis", "shape", "what"),
    [
        (77, 0, (1, 2, 3, 4), "mode 77"),
        (0, 77, (1, 2, 3, 4), "axis 77"),
        (9, 0, (1, 2, 3, 4), "ARGMAX"),
        (0, 2, (3, 4), "axis -3 of a blob of rank 2"),
    ],
)
def test_impossible_reductions(rng, mode, axis, shape, what):
    layer, params = new_layer("reduce")
    params.mode, params.axis = mode, axis
    with pytest.raises(InvalidModelError, match=what) as error:
        run_layer(layer, {"x": np.zeros(shape)}, rank5=len(shape) == 4)
    assert "the layer" in str(error.value)
