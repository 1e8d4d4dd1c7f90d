"""constantPad against NumPy; exact, since it only copies."""

from __future__ import annotations

import numpy as np
import pytest
from running import assert_close, new_layer, run_layer

from mltoolkit.errors import InvalidModelError


def pad_layer(amounts, value=1.5, *, sizes=False, given=False):
    layer, params = new_layer("constantPad", ["x", "amounts"] if given else ["x"])
    params.value = value
    params.padToGivenOutputSizeMode = sizes
    if not given:
        params.padAmounts.extend(amounts)
    return layer


def check(rng, shape, amounts, pairs, **options):
    """``pairs`` are the elements before and after each axis that ``amounts`` stand for."""
    x = rng.normal(size=shape).astype(np.float32)
    expected = np.pad(x, pairs, constant_values=1.5)
    for given in (False, True):
        inputs = {"x": x} | ({"amounts": np.array(amounts)} if given else {})
        for shapes in (None, {"x": (None,) * x.ndim}):
            layer = pad_layer(amounts, given=given, **options)
            assert_close(run_layer(layer, inputs, False, shapes=shapes)["y"], expected, 0)


@pytest.mark.parametrize("seed", range(8))
def test_amounts(seed):
    rng = np.random.default_rng(seed)
    shape = rng.integers(1, 5, rng.integers(1, 6))
    amounts = rng.integers(0, 4, 2 * len(shape)).tolist()
    check(rng, shape, amounts, np.reshape(amounts, (-1, 2)))


@pytest.mark.parametrize("seed", range(8))
def test_sizes(seed):
    rng = np.random.default_rng(seed)
    shape = rng.integers(1, 5, rng.integers(1, 6))
    wanted = np.zeros((len(shape), 2), dtype=int)
    wanted[np.arange(len(shape)), rng.integers(0, 2, len(shape))] = rng.integers(0, 8, len(shape))
    check(rng, shape, wanted.ravel().tolist(), np.maximum(wanted - shape[:, None], 0), sizes=True)


def test_the_protos_examples(rng):
    check(rng, (20, 10), (0, 1, 4, 0), ((0, 1), (4, 0)))
    check(rng, (20, 10), (0, 21, 14, 0), ((0, 1), (4, 0)), sizes=True)
    check(rng, (20, 10, 5), (0, 0, 17, 0, 0, 14), ((0, 0), (7, 0), (0, 9)), sizes=True)


@pytest.mark.parametrize(
    ("amounts", "sizes", "what"),
    [
        ((), False, "0 padding amounts"),
        ((1, 2), False, "2 padding amounts are given for a blob of rank 2, which takes 4"),
        ((1, 2, 3, 4), True, "two sizes for one axis"),
        ((0, 2**63, 0, 0), False, "padAmounts"),
        ((0, 2**31 - 1, 0, 0), False, "GiB"),
    ],
)
def test_impossible_amounts(amounts, sizes, what):
    with pytest.raises(InvalidModelError, match=what):
        run_layer(pad_layer(amounts, sizes=sizes), {"x": np.zeros((2, 3))}, False)


@pytest.mark.parametrize("shape", [(3,), (2, 2)])
def test_given_amounts_of_the_wrong_shape(shape):
    with pytest.raises(InvalidModelError, match=r"padding amounts|rank 1"):
        run_layer(pad_layer((), given=True), {"x": np.zeros((2, 3)), "amounts": np.zeros(shape)}, False)
