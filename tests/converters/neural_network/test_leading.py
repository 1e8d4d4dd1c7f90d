"""Spatial layers on blobs of any rank, sizes known or not; exact: nearest neighbours are copied."""

from __future__ import annotations

import numpy as np
import pytest
from running import assert_close, convert_layer, new_layer, run_layer

from mltoolkit.errors import InvalidModelError


def upsample():
    layer, params = new_layer("upsample")
    params.scalingFactor.extend([2, 3])
    return layer


@pytest.mark.parametrize("leading", [(), (2,), (2, 3), (2, 1, 3), (0, 2)])
@pytest.mark.parametrize("known", [True, False])
def test_leading_axes_are_a_batch(rng, leading, known):
    x = rng.normal(size=(*leading, 2, 4, 3)).astype(np.float32)
    shapes = None if known else {"x": (None,) * x.ndim}
    result = run_layer(upsample(), {"x": x}, False, shapes=shapes)["y"]
    assert_close(result, x.repeat(2, axis=-2).repeat(3, axis=-1), 0)


def test_known_sizes_stay_known():
    _, context = convert_layer(upsample(), {"x": (None, 2, 3, 4, 5)}, rank5=False)
    assert context.shape(context.values["y"])[1:] == (2, 3, 8, 15)


def test_too_small_a_rank():
    with pytest.raises(InvalidModelError, match="rank 3 or more but gets rank 2"):
        run_layer(upsample(), {"x": np.zeros((4, 3))}, False)
