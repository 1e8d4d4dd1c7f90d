"""transpose against NumPy; exact."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from running import assert_close, new_layer, run_layer

from mltoolkit.errors import InvalidModelError


def transpose_layer(axes):
    layer, params = new_layer("transpose")
    params.axes.extend(axes)
    return layer


@pytest.mark.parametrize("axes", list(itertools.permutations(range(4))), ids=str)
def test_permutations(rng, axes):
    x = rng.normal(size=(2, 3, 4, 5)).astype(np.float32)
    assert_close(run_layer(transpose_layer(axes), {"x": x}, False)["y"], x.transpose(axes), 0)


def test_axes_of_an_image_without_its_batch(rng):
    x = rng.normal(size=(1, 3, 4, 5)).astype(np.float32)
    assert_close(run_layer(transpose_layer((1, 2, 0)), {"x": x}, False)["y"], x.transpose(0, 2, 3, 1), 0)


@pytest.mark.parametrize("axes", [(), (0, 1), (0, 1, 2, 3), (0, 1, 1), (1, 2, 3), (0, 1, 2**40)])
def test_no_permutation(axes):
    with pytest.raises(InvalidModelError, match="no permutation"):
        run_layer(transpose_layer(axes), {"x": np.zeros((2, 3, 4))}, False)
