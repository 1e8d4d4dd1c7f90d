from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from running import convert_layer, new_layer, run_layer

from mltoolkit.errors import InvalidModelError

SIZE = 6


def _reference(indices: np.ndarray, size: int, axis: int, on: float, off: float) -> np.ndarray:
    result = np.full((*indices.shape, size), off, dtype=np.float32)
    for place in np.ndindex(indices.shape):
        if 0 <= indices[place] < size:
            result[(*place, indices[place])] = on
    return np.moveaxis(result, -1, axis)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("by_input", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_vectors_along_every_axis(rank: int, by_input: bool, known: bool, rng: np.random.Generator) -> None:
    # Indices on both sides outside the vector have no place in it.
    x = rng.integers(-3, SIZE + 3, (4, 3, 2)[:rank])
    assert ((x < 0) | (x >= SIZE)).any()
    for axis in range(-rank - 1, rank + 1):
        layer, params = new_layer("oneHot", ("x", "size")[: 1 + by_input])
        params.axis, params.onValue, params.offValue = axis, 5, -1
        params.oneHotVectorSize = 0 if by_input else SIZE
        shapes: Any = {} if known else {"x": ("n",) * rank}
        y = run_layer(layer, {"x": x, "size": np.array([SIZE])}, rank5=False, shapes=shapes)["y"]
        np.testing.assert_array_equal(y, _reference(x, SIZE, axis, 5, -1), err_msg=f"axis {axis}")


@pytest.mark.parametrize("axis", [2, -3])
def test_an_axis_outside_the_output_is_refused(axis: int) -> None:
    layer, params = new_layer("oneHot")
    params.axis, params.oneHotVectorSize = axis, SIZE
    with pytest.raises(InvalidModelError, match="outside the output's rank 2"):
        convert_layer(layer, {"x": (3,)}, rank5=False)


@pytest.mark.parametrize("size", [0, 1 << 40, (1 << 31) - 1])
def test_absurd_sizes_are_refused(size: int) -> None:
    layer, params = new_layer("oneHot")
    params.oneHotVectorSize = size
    with pytest.raises(InvalidModelError, match=r"oneHotVectorSize|limit here"):
        convert_layer(layer, {"x": (3,)}, rank5=False)
