"""Reshaping layers of specification 4 against NumPy; exact, since they only copy."""

from __future__ import annotations

import numpy as np
import pytest
from running import assert_close, convert_layer, new_layer, run_layer, run_layers

from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import known_shape


def reshape_layer(kind, target):
    layer, params = new_layer(kind)
    params.targetShape.extend(target)
    return layer


@pytest.mark.parametrize(
    ("shape", "target"),
    [
        ((6,), (2, 3)),
        ((2, 3, 4), (24,)),
        ((2, 3, 4), (4, 1, 6)),
        ((2, 3, 4), (-1, 8)),
        ((2, 3, 4), (6, -1, 1, 2)),
        ((2, 3, 4), (0, -1)),
        ((2, 3, 4), (0, 0, 2, 2)),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_reshape_static(rng, shape, target, known):
    x = rng.normal(size=shape).astype(np.float32)
    expected = x.reshape([shape[axis] if size == 0 else size for axis, size in enumerate(target)])
    shapes = None if known else {"x": (None,) * len(shape)}
    assert_close(run_layer(reshape_layer("reshapeStatic", target), {"x": x}, False, shapes=shapes)["y"], expected, 0)


@pytest.mark.parametrize(
    ("shape", "target", "expected"),
    [
        ((20, 10), (5, -1), (5, 40)),
        ((20, 10, 5), (0, 2, 25), (20, 2, 25)),
        ((10, 3, 5), (25, 0, -1), (25, 3, 2)),
    ],
)
def test_rank_preserving_reshape_as_in_the_proto(rng, shape, target, expected):
    x = rng.normal(size=shape).astype(np.float32)
    result = run_layer(reshape_layer("rankPreservingReshape", target), {"x": x}, False)["y"]
    assert_close(result, x.reshape(expected), 0)


@pytest.mark.parametrize(
    ("kind", "target", "what"),
    [
        ("reshapeStatic", (), "no shape"),
        ("reshapeStatic", (5, 5), "24 elements"),
        ("reshapeStatic", (-1, 5), "24 elements"),
        ("reshapeStatic", (-1, -1), "no shape"),
        ("reshapeStatic", (-2, 12), "no shape"),
        ("reshapeStatic", (2**40, 1), "no shape"),
        ("reshapeStatic", (2, 12, 1, 0), "keeps an axis"),
        ("rankPreservingReshape", (24,), "1 values for a blob of rank 3"),
    ],
)
def test_impossible_targets(kind, target, what):
    with pytest.raises(InvalidModelError, match=what):
        run_layer(reshape_layer(kind, target), {"x": np.zeros((2, 3, 4))}, False)


@pytest.mark.parametrize("target", [(24,), (4, 6), (2, 2, 3, 2), (-1, 4)])
def test_reshape_dynamic(rng, target):
    x = rng.normal(size=(2, 3, 4)).astype(np.float32)
    layer, _ = new_layer("reshapeDynamic", ["x", "shape"])
    inputs = {"x": x, "shape": np.array(target)}
    assert_close(run_layer(layer, inputs, False)["y"], x.reshape(target), 0)
    # Of a shape of unknown length not even the rank of the result is known.
    assert_close(run_layer(layer, inputs, False, shapes={"shape": (None,)})["y"], x.reshape(target), 0)


def test_rank_of_a_dynamic_reshape():
    layer, _ = new_layer("reshapeDynamic", ["x", "shape"])
    _, context = convert_layer(layer, {"x": (2, 3), "shape": (4,)}, rank5=False)
    assert known_shape(context.values["y"]) == (None,) * 4
    _, context = convert_layer(layer, {"x": (2, 3), "shape": (None,)}, rank5=False)
    assert known_shape(context.values["y"]) is None
    # The file states the rank where nothing else tells it.
    layer.outputTensor.add(rank=3)
    _, context = convert_layer(layer, {"x": (2, 3), "shape": (None,)}, rank5=False)
    assert known_shape(context.values["y"]) == (None,) * 3


@pytest.mark.parametrize("known", [True, False])
def test_reshape_like(rng, known):
    x, model = rng.normal(size=(2, 3, 4)).astype(np.float32), np.zeros((4, 1, 6))
    layer, _ = new_layer("reshapeLike", ["x", "model"])
    shapes = None if known else {"model": (None,) * 3}
    result = run_layer(layer, {"x": x, "model": model}, False, shapes=shapes)["y"]
    assert_close(result, x.reshape(4, 1, 6), 0)


@pytest.mark.parametrize("shape", [(3,), (4, 3), (5, 2, 3), (2, 3, 2, 5)])
@pytest.mark.parametrize("known", [True, False])
def test_flatten_to_2d(rng, shape, known):
    x = rng.normal(size=shape).astype(np.float32)
    for axis in range(-len(shape), len(shape) + 1):
        layer, params = new_layer("flattenTo2D")
        params.axis = axis
        place = axis % len(shape) if axis < len(shape) else axis
        expected = x.reshape(int(np.prod(shape[:place])), -1)
        shapes = None if known else {"x": (None,) * len(shape)}
        assert_close(run_layer(layer, {"x": x}, False, shapes=shapes)["y"], expected, 0, f"axis {axis}")


@pytest.mark.parametrize("axis", [3, -3])
def test_flatten_beyond_the_rank(axis):
    layer, params = new_layer("flattenTo2D")
    params.axis = axis
    with pytest.raises(InvalidModelError, match=f"at axis {axis}"):
        run_layer(layer, {"x": np.zeros((2, 3))}, False)


@pytest.mark.parametrize("known", [True, False])
def test_get_shape_and_reshape_by_it(rng, known):
    x = rng.normal(size=(2, 3, 4)).astype(np.float32)
    shape_layer, _ = new_layer("getShape", ["model"], ["shape"])
    reshape, _ = new_layer("reshapeDynamic", ["x", "shape"])
    model = np.zeros((4, 6))
    shapes = None if known else {"model": (None, None)}
    assert_close(run_layers([shape_layer], {"model": model}, False, shapes=shapes)["shape"], np.array([4, 6]), 0)
    result = run_layers([shape_layer, reshape], {"x": x, "model": model}, False, shapes=shapes)["y"]
    assert_close(result, x.reshape(4, 6), 0)
