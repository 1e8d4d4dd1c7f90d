"""Scatter layers against loops over NumPy arrays.

Exact but for divisions: where an element is divided several times, the layer divides once by the product.
"""

from __future__ import annotations

import numpy as np
import pytest
from running import assert_close, new_layer, run_layer

from mltoolkit.errors import InvalidModelError

MODES = {
    "UPDATE": lambda old, new: new,
    "ADD": np.add,
    "SUB": np.subtract,
    "MUL": np.multiply,
    "DIV": np.divide,
    "MAX": np.maximum,
    "MIN": np.minimum,
}


def scatter_layer(kind, mode, axis=None):
    layer, params = new_layer(kind, ["container", "indices", "updates"])
    params.mode = list(MODES).index(mode)
    if axis is not None:
        params.axis = axis
    return layer


def values(rng, shape):
    """Away from 0, so that quotients stay of order 1."""
    return (rng.choice([-1, 1], shape) * rng.uniform(0.5, 2, shape)).astype(np.float32)


def scattered(container, mode, places, updates):
    """Updates in the order of places, each a tuple that indexes the container."""
    result = container.copy()
    for place, update in zip(places, updates, strict=True):
        result[place] = MODES[mode](result[place], update)
    return result


def check(layer, container, indices, updates, expected, known=True):
    inputs = {"container": container, "indices": indices, "updates": updates}
    shapes = {"container": (None,) * container.ndim, "updates": (None,) * np.ndim(updates)}
    result = run_layer(layer, inputs, False, shapes=None if known else shapes)["y"]
    assert_close(result, expected, 1e-6 if MODES["DIV"] and layer_mode(layer) == "DIV" else 0)


def layer_mode(layer):
    return list(MODES)[getattr(layer, layer.WhichOneof("layer")).mode]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(5,), (4, 3), (2, 4, 3)])
@pytest.mark.parametrize("indices_shape", [(1,), (9,), (2, 3), (1, 1)])
def test_scatter(rng, mode, shape, indices_shape):
    for axis in range(-len(shape), len(shape)):
        container = values(rng, shape)
        size, front = shape[axis], axis % len(shape)
        indices = rng.integers(-size, size, indices_shape)
        updates = values(rng, (*shape[:front], *indices_shape, *shape[front + 1 :]))
        flat = updates.reshape(*shape[:front], -1, *shape[front + 1 :])
        places = [(*(slice(None),) * front, index) for index in indices.ravel()]
        expected = scattered(container, mode, places, np.moveaxis(flat, front, 0))
        layer = scatter_layer("scatter", mode, axis)
        for known in (True, False):
            check(layer, container, indices, updates, expected, known)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_scatter_along_axis(rng, mode, axis):
    container = values(rng, (4, 3, 5))
    shape = list(container.shape)
    shape[axis] = 8
    indices = rng.integers(-container.shape[axis], container.shape[axis], shape)
    updates = values(rng, shape)
    places = []
    for place in np.ndindex(*shape):
        target = list(place)
        target[axis] = indices[place]
        places.append(tuple(target))
    expected = scattered(container, mode, places, updates.ravel())
    check(scatter_layer("scatterAlongAxis", mode, axis), container, indices, updates, expected)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("leading", [(1,), (12,), (2, 5)])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_scatter_nd(rng, mode, leading, depth):
    container = values(rng, (4, 3, 2))
    indices = np.stack([rng.integers(-size, size, leading) for size in container.shape[:depth]], axis=-1)
    updates = values(rng, (*leading, *container.shape[depth:]))
    places = [tuple(index) for index in indices.reshape(-1, depth)]
    expected = scattered(container, mode, places, updates.reshape(-1, *container.shape[depth:]))
    for known in (True, False):
        check(scatter_layer("scatterND", mode), container, indices, updates, expected, known)


def test_many_threads_do_not_overwrite_each_other(rng):
    # onnxruntime's ScatterND loses additions and mixes up updates here.
    container = np.zeros((1, 400_000), dtype=np.float32)
    indices, updates = np.zeros(40), np.arange(40)[:, None] * np.ones((40, 400_000))
    for mode, expected in (("ADD", 780), ("UPDATE", 39)):
        layer = scatter_layer("scatter", mode, 0)
        result = run_layer(layer, {"container": container, "indices": indices, "updates": updates}, False)["y"]
        assert np.all(result == expected), f"{mode}: {np.unique(result)}"


@pytest.mark.parametrize(
    ("kind", "shapes", "what"),
    [
        ("scatter", [(4, 3), (2,), (2, 3, 1)], "rank 3 where 2"),
        ("scatterAlongAxis", [(4, 3), (2,), (4, 2)], "rank 1 where 2"),
        ("scatterND", [(4, 3), (2, 3), (2,)], "an index has 3 numbers where the container has rank 2"),
        ("scatterND", [(4, 3), (2, 1), (2,)], "rank 1 where 2"),
    ],
)
def test_shapes_that_do_not_fit(kind, shapes, what):
    inputs = {name: np.zeros(shape) for name, shape in zip(("container", "indices", "updates"), shapes, strict=True)}
    with pytest.raises(InvalidModelError, match=what):
        run_layer(scatter_layer(kind, "ADD", None if kind == "scatterND" else 1), inputs, False)


def test_unknown_mode():
    layer = scatter_layer("scatter", "ADD", 0)
    layer.scatter.mode = 7
    inputs = {"container": np.zeros(3), "indices": np.zeros(2), "updates": np.zeros(2)}
    with pytest.raises(InvalidModelError, match="mode 7 is unknown"):
        run_layer(layer, inputs, False)
