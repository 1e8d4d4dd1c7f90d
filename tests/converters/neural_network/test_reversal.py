from __future__ import annotations

import itertools

import numpy as np
import pytest
from running import convert_layer, new_layer, run_layer

from mltoolkit.errors import InvalidModelError

SHAPE = (3, 4, 2, 5)


@pytest.mark.parametrize("flags", list(itertools.product([True, False], repeat=3)))
@pytest.mark.parametrize("known", [True, False])
def test_reverse(flags: tuple[bool, ...], known: bool, rng: np.random.Generator) -> None:
    layer, params = new_layer("reverse")
    params.reverseDim.extend(flags)
    x = rng.normal(size=SHAPE[:3]).astype(np.float32)
    y = run_layer(layer, {"x": x}, rank5=False, shapes={} if known else {"x": ("a", "b", "c")})["y"]
    np.testing.assert_array_equal(y, np.flip(x, [axis for axis in range(3) if flags[axis]]))


@pytest.mark.parametrize("flags", [(), (True,), (True, True, False)])
def test_flags_for_another_rank_are_refused(flags: tuple[bool, ...]) -> None:
    layer, params = new_layer("reverse")
    params.reverseDim.extend(flags)
    with pytest.raises(InvalidModelError, match=f"{len(flags)} entries for a blob of rank 2"):
        convert_layer(layer, {"x": (3, 4)}, rank5=False)


@pytest.mark.parametrize(
    ("batch", "sequence"),
    [pair for pair in itertools.product(range(-4, 4), repeat=2) if pair[0] % 4 < pair[1] % 4],
)
def test_reverse_sequences(batch: int, sequence: int, rng: np.random.Generator) -> None:
    layer, params = new_layer("reverseSeq", ("x", "lengths"))
    params.batchAxis, params.sequenceAxis = batch, sequence
    x = rng.normal(size=SHAPE).astype(np.float32)
    lengths = rng.integers(0, SHAPE[sequence] + 1, SHAPE[batch])
    expected = np.moveaxis(x, (batch, sequence), (0, 1)).copy()
    for row, length in zip(expected, lengths, strict=True):
        row[:length] = row[:length][::-1].copy()
    y = run_layer(layer, {"x": x, "lengths": lengths}, rank5=False)["y"]
    np.testing.assert_array_equal(y, np.moveaxis(expected, (0, 1), (batch, sequence)))


@pytest.mark.parametrize(
    ("batch", "sequence", "lengths", "message"),
    [
        (1, 0, (4,), "does not lie before"),
        (1, 1, (4,), "does not lie before"),
        (0, 4, (3,), "axis 4 of a blob of rank 4"),
        (0, 1, (4,), "lengths have shape"),
        (0, 1, (3, 1), "lengths have shape"),
    ],
)
def test_impossible_axes_are_refused(batch: int, sequence: int, lengths: tuple[int, ...], message: str) -> None:
    layer, params = new_layer("reverseSeq", ("x", "lengths"))
    params.batchAxis, params.sequenceAxis = batch, sequence
    with pytest.raises(InvalidModelError, match=message):
        convert_layer(layer, {"x": SHAPE, "lengths": lengths}, rank5=False)
