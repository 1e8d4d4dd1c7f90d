"""Slices of any axes against NumPy; exact."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from running import assert_close, new_layer, run_layer

from mltoolkit.errors import InvalidModelError

PARTS = ("beginIds", "endIds", "strides", "beginMasks", "endMasks", "squeezeMasks")


def static_layer(begins, ends, strides, begin_masks, end_masks, squeeze_masks=()):
    layer, params = new_layer("sliceStatic")
    for name, part in zip(PARTS, (begins, ends, strides, begin_masks, end_masks, squeeze_masks), strict=True):
        getattr(params, name).extend(part)
    return layer


def dynamic_layer(parts, given):
    """The first ``given`` parts are inputs, the others parameters."""
    layer, params = new_layer("sliceDynamic", ["x", *PARTS[:given]])
    for name, part in list(zip(PARTS, parts, strict=True))[given:]:
        getattr(params, name).extend(part)
    inputs = {name: np.array(part, dtype=np.float32) for name, part in zip(PARTS, parts, strict=True)}
    return layer, {name: inputs[name] for name in PARTS[:given]}


def expected_slice(x, begins, ends, strides, begin_masks, end_masks, squeeze_masks):
    index = []
    for begin, end, stride, no_begin, no_end, squeezed in zip(
        begins, ends, strides, begin_masks, end_masks, squeeze_masks, strict=True
    ):
        whole = slice(None if no_begin else begin, None if no_end else end, stride)
        index.append(begin if squeezed else whole)
    return np.atleast_1d(x[tuple(index)])


def random_parts(rng, shape):
    rank = len(shape)
    parts = [
        [int(rng.integers(-size, size)) for size in shape],
        [int(rng.integers(-size - 2, size + 3)) for size in shape],
        rng.choice([-3, -2, -1, 1, 2, 3], rank).tolist(),
    ]
    return parts + [(rng.random(rank) < 0.3).tolist() for _ in range(3)]


@pytest.mark.parametrize("seed", range(60))
def test_static_slices(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rng.integers(1, 7, rng.integers(1, 6))).astype(np.float32)
    parts = random_parts(rng, x.shape)
    expected = expected_slice(x, *parts)
    assert_close(run_layer(static_layer(*parts), {"x": x}, False)["y"], expected, 0, str(parts))
    unknown = {"x": (None,) * x.ndim}
    assert_close(run_layer(static_layer(*parts), {"x": x}, False, shapes=unknown)["y"], expected, 0)


@pytest.mark.parametrize("given", range(1, 7))
@pytest.mark.parametrize("seed", range(10))
def test_dynamic_slices(seed, given):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rng.integers(1, 7, rng.integers(1, 6))).astype(np.float32)
    parts = random_parts(rng, x.shape)
    if all(parts[-1]):
        # An axis must remain where the squeezed ones are only known when the model runs.
        parts[-1][0] = False
    layer, inputs = dynamic_layer(parts, given)
    assert_close(run_layer(layer, {"x": x} | inputs, False)["y"], expected_slice(x, *parts), 0, str(parts))


def test_the_protos_examples():
    x = np.arange(125, dtype=np.float32).reshape(5, 5, 5)
    parts = ([1, 2, 3], [3, -3, 2], [2, 2, 2], [True, False, True], [False, True, True])
    assert_close(run_layer(static_layer(*parts), {"x": x}, False)["y"], x[:3:2, 2::2, ::2], 0)
    layer = static_layer(*parts, [False, True, False])
    assert_close(run_layer(layer, {"x": x}, False)["y"], x[:3:2, 2, ::2], 0)


def test_dynamic_parameters_longer_than_the_rank_as_coremltools_writes_them(rng):
    x = rng.normal(size=(4, 3)).astype(np.float32)
    layer, params = new_layer("sliceDynamic", ["x", "begin", "end"])
    params.strides.extend([1] * 5)
    for name in PARTS[3:5]:
        getattr(params, name).extend([False] * 5)
    result = run_layer(layer, {"x": x, "begin": np.array([1, 0]), "end": np.array([3, 2])}, False)["y"]
    assert_close(result, x[1:3, :2], 0)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("begin", [0, 2, -2, -5])
@pytest.mark.parametrize("known", [True, False])
def test_slice_by_size(rng, axis, begin, known):
    x = rng.normal(size=(6, 5, 7)).astype(np.float32)
    layer, params = new_layer("sliceBySize", ["x", "begin"])
    params.axis, params.size = axis, 2
    shapes = None if known else {"x": (None,) * 3, "begin": (None,)}
    result = run_layer(layer, {"x": x, "begin": np.array([begin])}, False, shapes=shapes)["y"]
    expected = np.take(x, [begin, begin + 1], axis)
    assert_close(result, expected, 0)


@pytest.mark.parametrize("size", [0, -1, 6])
def test_impossible_size(size):
    layer, params = new_layer("sliceBySize", ["x", "begin"])
    params.size = size
    with pytest.raises(InvalidModelError, match=f"{size}"):
        run_layer(layer, {"x": np.zeros(5), "begin": np.zeros(1)}, False)


@pytest.mark.parametrize("part", range(5))
@pytest.mark.parametrize("length", [0, 1, 3])
def test_static_parts_of_the_wrong_length(part, length):
    parts = [[0, 0], [2, 2], [1, 1], [False, False], [False, False]]
    parts[part] = (parts[part] * 2)[:length]
    with pytest.raises(InvalidModelError, match=f"{PARTS[part]} has {length} entries for a blob of rank 2"):
        run_layer(static_layer(*parts), {"x": np.zeros((3, 3))}, False)


def test_stride_0():
    layer = static_layer([0], [1], [0], [False], [False])
    with pytest.raises(InvalidModelError, match="stride is 0"):
        run_layer(layer, {"x": np.zeros(3)}, False)


def test_dynamic_part_of_the_wrong_shape():
    layer, _ = new_layer("sliceDynamic", ["x", "begin"])
    for shape in ((3,), (2, 1)):
        with pytest.raises(InvalidModelError, match="cannot hold a number for each of 2 axes"):
            run_layer(layer, {"x": np.zeros((3, 3)), "begin": np.zeros(shape)}, False)


def test_extreme_numbers_are_clamped_as_in_numpy(rng):
    x = rng.normal(size=5).astype(np.float32)
    extremes = (-(2**63), 2**63 - 1)
    for begin, end, stride in itertools.product(extremes, extremes, (-1, 1, *extremes)):
        if stride < 0 and begin < 0:
            # ONNX begins with the first element here, NumPy before it.
            continue
        layer = static_layer([begin], [end], [stride], [False], [False])
        result = run_layer(layer, {"x": x}, False)["y"]
        assert_close(result, x[begin:end:stride], 0, f"{begin}:{end}:{stride}")
