"""Concat, split and sequenceRepeat against NumPy on [S, B, C, H, W]; exact, for they only move elements."""

from __future__ import annotations

import numpy as np
import pytest
from running import assert_close, new_layer, run_layer

from mltoolkit.errors import InvalidModelError, UnsupportedModelError


def merged(x):
    return x.reshape(-1, *x.shape[2:])


@pytest.mark.parametrize("count", [1, 2, 5])
def test_channels_are_joined(rng, count):
    names = [f"x{index}" for index in range(count)]
    arrays = {name: rng.normal(size=(2, 3, 1 + index, 4, 5)).astype(np.float32) for index, name in enumerate(names)}
    layer, _ = new_layer("concat", inputs=names)
    expected = np.concatenate(list(arrays.values()), axis=2)
    assert_close(run_layer(layer, arrays, rank5=False)["y"], expected, 0)
    held = run_layer(layer, {name: merged(x) for name, x in arrays.items()}, batch=3)["y"]
    assert_close(held, merged(expected), 0)
    lower = run_layer(layer, {name: x[0, 0] for name, x in arrays.items()}, rank5=False)["y"]
    assert_close(lower, expected[0, 0], 0)


def test_sequences_are_joined(rng):
    first = rng.normal(size=(2, 3, 4, 1, 1)).astype(np.float32)
    second = rng.normal(size=(5, 3, 4, 1, 1)).astype(np.float32)
    layer, params = new_layer("concat", inputs=("a", "b"))
    params.sequenceConcat = True
    expected = np.concatenate([first, second], axis=0)
    assert_close(run_layer(layer, {"a": first, "b": second}, rank5=False)["y"], expected, 0)
    held = run_layer(layer, {"a": merged(first), "b": merged(second)}, batch=3)["y"]
    assert_close(held.reshape(7, 3, 4, 1, 1), expected, 0)


def test_one_blob_twice(rng):
    x = rng.normal(size=(1, 2, 3, 3)).astype(np.float32)
    layer, _ = new_layer("concat", inputs=("x", "x"))
    assert_close(run_layer(layer, {"x": x})["y"], np.concatenate([x, x], axis=1), 0)


@pytest.mark.parametrize(
    ("first", "second", "sequence", "rank5", "what"),
    [
        ((1, 2, 3, 4), (1, 2, 3, 5), False, True, "'b' of shape .* cannot be joined to 'a'"),
        ((1, 2, 3, 4), (2, 2, 3, 4), False, True, "cannot be joined"),
        ((1, 2, 3, 4), (1, 3, 3, 4), True, True, "cannot be joined"),
        ((2, 3, 4), (1, 2, 3, 4), False, False, "cannot be joined"),
        ((2, 3, 4, 5), (2, 3, 4, 5), True, False, "axis -5 of a blob of rank 4"),
        ((3, 4), (3, 4), False, False, "axis -3 of a blob of rank 2"),
    ],
)
def test_impossible_joins(first, second, sequence, rank5, what):
    layer, params = new_layer("concat", inputs=("a", "b"))
    params.sequenceConcat = sequence
    with pytest.raises(InvalidModelError, match=what):
        run_layer(layer, {"a": np.zeros(first), "b": np.zeros(second)}, rank5)


def test_nothing_to_join():
    layer, _ = new_layer("concat", inputs=())
    with pytest.raises(InvalidModelError, match="no inputs"):
        run_layer(layer, {})


@pytest.mark.parametrize("shape", [(2, 6, 3, 4), (6, 3, 4), (1, 2, 6, 2, 2)])
@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_channels_are_split(rng, shape, count):
    x = rng.normal(size=shape).astype(np.float32)
    layer, params = new_layer("split", outputs=[f"y{index}" for index in range(count)])
    params.nOutputs = count
    actual = run_layer(layer, {"x": x}, rank5=len(shape) == 4)
    for output, expected in zip(actual.values(), np.split(x, count, axis=-3), strict=True):
        assert_close(output, expected, 0)


@pytest.mark.parametrize(
    ("stated", "outputs", "what"),
    [
        (4, 4, "6 channels cannot be split into 4"),
        (3, 2, "3 parts but has 2 outputs"),
        (2**60, 2, "parts"),
        (0, 0, "0 outputs"),
    ],
)
def test_impossible_splits(stated, outputs, what):
    layer, params = new_layer("split", outputs=[f"y{index}" for index in range(outputs)])
    params.nOutputs = stated
    with pytest.raises(InvalidModelError, match=what):
        run_layer(layer, {"x": np.zeros((1, 6, 2, 2))})


def test_splitting_an_unknown_number_of_channels():
    layer, params = new_layer("split", outputs=("a", "b"))
    params.nOutputs = 2
    with pytest.raises(UnsupportedModelError, match="size of axis -3"):
        run_layer(layer, {"x": np.zeros((1, 6, 2, 2))}, shapes={"x": (1, "C", 2, 2)})


@pytest.mark.parametrize(("stated", "times"), [(0, 1), (1, 1), (2, 2), (5, 5)])
def test_the_sequence_is_repeated_as_a_whole(rng, stated, times):
    x = rng.normal(size=(2, 3, 4, 1, 2)).astype(np.float32)
    layer, params = new_layer("sequenceRepeat")
    params.nRepetitions = stated
    expected = np.concatenate([x] * times, axis=0)
    assert_close(run_layer(layer, {"x": x}, rank5=False)["y"], expected, 0)
    held = run_layer(layer, {"x": merged(x)}, batch=3)["y"]
    assert_close(held.reshape(expected.shape), expected, 0)


@pytest.mark.parametrize(("repetitions", "what"), [(2**60, "nRepetitions is"), (2**30, "GiB")])
def test_absurd_repetitions(repetitions, what):
    layer, params = new_layer("sequenceRepeat")
    params.nRepetitions = repetitions
    with pytest.raises(InvalidModelError, match=what):
        run_layer(layer, {"x": np.zeros((1, 4, 1, 1))})
