"""concatND, stack, splitND and tile against NumPy; exact, since they only copy."""

from __future__ import annotations

import numpy as np
import pytest
from running import assert_close, new_layer, run_layer

from mltoolkit.errors import InvalidModelError


def joining_layer(kind, count, axis, **more):
    layer, params = new_layer(kind, [f"x{index}" for index in range(count)])
    params.axis = axis
    for name, value in more.items():
        setattr(params, name, value)
    return layer


def split_layer(count, axis, sizes=()):
    layer, params = new_layer("splitND", outputs=[f"y{index}" for index in range(count)])
    params.axis = axis
    params.splitSizes.extend(sizes)
    params.numSplits = 0 if sizes else count
    return layer


def inputs_of(arrays):
    return {f"x{index}": array for index, array in enumerate(arrays)}


def unknown(arrays):
    return {f"x{index}": (None,) * array.ndim for index, array in enumerate(arrays)}


@pytest.mark.parametrize("rank", [1, 2, 4])
@pytest.mark.parametrize("known", [True, False])
def test_concat(rng, rank, known):
    for axis in range(-rank, rank):
        shapes = [list((2, 3, 4, 2)[:rank]) for _ in range(3)]
        for size, shape in zip((1, 4, 2), shapes, strict=True):
            shape[axis] = size
        arrays = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
        result = run_layer(
            joining_layer("concatND", 3, axis),
            inputs_of(arrays),
            False,
            shapes=None if known else unknown(arrays),
        )
        assert_close(result["y"], np.concatenate(arrays, axis), 0, f"axis {axis}")


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
@pytest.mark.parametrize("known", [True, False])
def test_interleaved_concat(rng, axis, known):
    arrays = [rng.normal(size=(2, 3, 4)).astype(np.float32) for _ in range(3)]
    shape = [2, 3, 4]
    shape[axis] *= 3
    expected = np.empty(shape, dtype=np.float32)
    for index, array in enumerate(arrays):
        np.moveaxis(expected, axis, 0)[index::3] = np.moveaxis(array, axis, 0)
    layer = joining_layer("concatND", 3, axis, interleave=True)
    result = run_layer(layer, inputs_of(arrays), False, shapes=None if known else unknown(arrays))
    assert_close(result["y"], expected, 0)


@pytest.mark.parametrize("axis", [0, 1, 2, 3, -1, -2, -4])
@pytest.mark.parametrize("known", [True, False])
def test_stack(rng, axis, known):
    arrays = [rng.normal(size=(2, 3, 4)).astype(np.float32) for _ in range(3)]
    result = run_layer(
        joining_layer("stack", 3, axis), inputs_of(arrays), False, shapes=None if known else unknown(arrays)
    )
    assert_close(result["y"], np.stack(arrays, axis), 0)


@pytest.mark.parametrize(
    ("layer", "shapes", "what"),
    [
        (joining_layer("concatND", 2, 2), [(2, 3), (2, 3)], "axis 2"),
        (joining_layer("concatND", 2, 0), [(2, 3), (2, 4)], r"sizes \[3, 4\] along axis 1"),
        (joining_layer("concatND", 2, 0, interleave=True), [(2, 3), (4, 3)], r"sizes \[2, 4\] along axis 0"),
        (joining_layer("concatND", 2, 0), [(2, 3), (6,)], r"one rank but gets \[1, 2\]"),
        (joining_layer("concatND", 0, 0), [], "one rank but gets none"),
        (joining_layer("stack", 2, 3), [(2, 3), (2, 3)], "axis 3 is outside the output's rank 3"),
        (joining_layer("stack", 2, -4), [(2, 3), (2, 3)], "axis -4 is outside the output's rank 3"),
        (joining_layer("stack", 2, 0), [(2, 3), (2, 4)], "along axis 1"),
    ],
)
def test_inputs_that_cannot_be_joined(layer, shapes, what):
    with pytest.raises(InvalidModelError, match=what):
        run_layer(layer, inputs_of([np.zeros(shape) for shape in shapes]), False)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("known", [True, False])
def test_split(rng, axis, count, known):
    x = rng.normal(size=(6, 7, 5)).astype(np.float32)
    shapes = None if known else {"x": (None,) * 3}
    result = run_layer(split_layer(count, axis), {"x": x}, False, shapes=shapes)
    for index, part in enumerate(np.array_split(x, count, axis)):
        assert_close(result[f"y{index}"], part, 0, f"part {index}")


@pytest.mark.parametrize("sizes", [(3, 4), (1, 5, 1), (7,), (0, 7)])
def test_split_into_stated_sizes(rng, sizes):
    x = rng.normal(size=(2, 7, 3)).astype(np.float32)
    result = run_layer(split_layer(len(sizes), -2, sizes), {"x": x}, False)
    for index, part in enumerate(np.split(x, np.cumsum(sizes)[:-1], 1)):
        assert_close(result[f"y{index}"], part, 0, f"part {index}")


@pytest.mark.parametrize(
    ("count", "sizes", "what"),
    [(2, (3, 5), "parts of"), (2, (3, 3, 1), "3 parts but has 2 outputs"), (0, (), "0 parts but has 0")],
)
def test_impossible_splits(count, sizes, what):
    with pytest.raises(InvalidModelError, match=what):
        run_layer(split_layer(count, 0, sizes), {"x": np.zeros(7)}, False)


@pytest.mark.parametrize("repeats", [(3,), (2, 3), (1, 2, 6), (2, 1, 1)])
@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_tile(rng, repeats, given, known):
    x = rng.normal(size=(2, 4, 2)).astype(np.float32)
    layer, params = new_layer("tile", ["x", "reps"] if given else ["x"])
    inputs = {"x": x}
    if given:
        inputs["reps"] = np.array(repeats)
    else:
        params.reps.extend(repeats)
    shapes = None if known else {"x": (None,) * 3}
    assert_close(run_layer(layer, inputs, False, shapes=shapes)["y"], np.tile(x, repeats), 0)


@pytest.mark.parametrize(
    ("repeats", "what"),
    [
        ((), "0 entries"),
        ((1, 1, 2), "3 entries"),
        ((0,), "reps is 0"),
        ((2**40,), "reps"),
        ((2**31 - 1,), "GiB"),
    ],
)
def test_impossible_repetitions(repeats, what):
    layer, params = new_layer("tile")
    params.reps.extend(repeats)
    with pytest.raises(InvalidModelError, match=what):
        run_layer(layer, {"x": np.zeros((2, 3))}, False)


def test_too_many_given_repetitions():
    layer, _ = new_layer("tile", ["x", "reps"])
    with pytest.raises(InvalidModelError, match="3 repetitions are given for a blob of rank 2"):
        run_layer(layer, {"x": np.zeros((2, 3)), "reps": np.ones(3)}, False)
