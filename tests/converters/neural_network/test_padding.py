"""Padding against numpy.pad; exact."""

from __future__ import annotations

import numpy as np
import pytest
from running import assert_close, new_layer, run_layer

from mltoolkit.errors import InvalidModelError

MODES = {"constant": "constant", "reflection": "reflect", "replication": "edge"}


def padding_layer(kind, *pairs, value=0.0):
    layer, params = new_layer("padding")
    getattr(params, kind).SetInParent()
    if kind == "constant":
        params.constant.value = value
    for start, end in pairs:
        params.paddingAmounts.borderAmounts.add(startEdgeSize=start, endEdgeSize=end)
    return layer


@pytest.mark.parametrize("kind", MODES)
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (3, 4, 5), (4, 5), (2, 1, 3, 4, 5)])
@pytest.mark.parametrize("borders", [((0, 0), (0, 0)), ((1, 2), (3, 4)), ((3, 0), (0, 4)), ((0, 0), (2, 2))])
def test_modes(rng, kind, shape, borders):
    x = rng.normal(size=shape).astype(np.float32)
    layer = padding_layer(kind, *borders, value=-1.5)
    keywords = {"constant_values": -1.5} if kind == "constant" else {}
    widths = [(0, 0)] * (x.ndim - 2) + list(borders)
    expected = np.pad(x, widths, mode=MODES[kind], **keywords)
    assert_close(run_layer(layer, {"x": x}, rank5=len(shape) == 4)["y"], expected, 0)


def test_examples_of_the_format():
    x = np.arange(1, 13, dtype=np.float32).reshape(1, 1, 3, 4)
    expected = {
        "constant": [[0] * 6, [0] * 6, [0, 0, 1, 2, 3, 4], [0, 0, 5, 6, 7, 8], [0, 0, 9, 10, 11, 12]],
        "reflection": [
            [11, 10, 9, 10, 11, 12],
            [7, 6, 5, 6, 7, 8],
            [3, 2, 1, 2, 3, 4],
            [7, 6, 5, 6, 7, 8],
            [11, 10, 9, 10, 11, 12],
        ],
        "replication": [
            [1, 1, 1, 2, 3, 4],
            [1, 1, 1, 2, 3, 4],
            [1, 1, 1, 2, 3, 4],
            [5, 5, 5, 6, 7, 8],
            [9, 9, 9, 10, 11, 12],
        ],
    }
    for kind, rows in expected.items():
        actual = run_layer(padding_layer(kind, (2, 0), (2, 0)), {"x": x})["y"]
        assert_close(actual, np.array([[rows]], np.float32), 0, kind)


def test_no_amounts_pad_nothing(rng):
    x = rng.normal(size=(1, 2, 3, 4)).astype(np.float32)
    assert_close(run_layer(padding_layer("constant"), {"x": x})["y"], x, 0)


@pytest.mark.parametrize(
    ("kind", "pairs", "what"),
    [
        ("reflection", ((4, 0), (0, 0)), "height of 4 has no 4 elements"),
        ("reflection", ((0, 0), (0, 9)), "width of 5 has no 9 elements"),
        ("constant", ((1, 1),), "paddingAmounts has 1 entries"),
        ("constant", ((2**60, 0), (0, 0)), "paddingAmounts.startEdgeSize is"),
        ("replication", ((2**30, 0), (2**30, 0)), "GiB"),
    ],
)
def test_impossible_paddings(kind, pairs, what):
    with pytest.raises(InvalidModelError, match=what):
        run_layer(padding_layer(kind, *pairs), {"x": np.zeros((1, 3, 4, 5))})


def test_unset_type():
    layer, _ = new_layer("padding")
    with pytest.raises(InvalidModelError, match="padding type is not set"):
        run_layer(layer, {"x": np.zeros((1, 3, 4, 5))})
