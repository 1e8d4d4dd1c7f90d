"""Reorganize-data against loops over blocks written from the frameworks' documentation; exact."""

from __future__ import annotations

import numpy as np
import pytest
from running import assert_close, new_layer, run_layer

from mltoolkit.errors import InvalidModelError

MODES = {"SPACE_TO_DEPTH": 0, "DEPTH_TO_SPACE": 1, "PIXEL_SHUFFLE": 2}


def reference(x, mode, block):
    """(N, C, H, W), element by element."""
    n, channels, height, width = x.shape
    if mode == "SPACE_TO_DEPTH":
        out = np.zeros((n, channels * block * block, height // block, width // block), x.dtype)
        for row in range(block):
            for column in range(block):
                first = (row * block + column) * channels
                out[:, first : first + channels] = x[:, :, row::block, column::block]
        return out
    depth = channels // (block * block)
    out = np.zeros((n, depth, height * block, width * block), x.dtype)
    for row in range(block):
        for column in range(block):
            offset = row * block + column
            if mode == "DEPTH_TO_SPACE":
                part = x[:, offset * depth : (offset + 1) * depth]
            else:
                part = x[:, offset :: block * block]
            out[:, :, row::block, column::block] = part
    return out


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("block", [2, 3])
@pytest.mark.parametrize("leading", [(1,), (2,), (), (2, 3)])
def test_blocks(rng, mode, block, leading):
    tail = (3, 2 * block, block) if mode == "SPACE_TO_DEPTH" else (5 * block * block, 2, 3)
    x = rng.normal(size=(*leading, *tail)).astype(np.float32)
    layer, params = new_layer("reorganizeData")
    params.mode, params.blockSize = MODES[mode], block
    expected = reference(x.reshape(-1, *tail), mode, block)
    actual = run_layer(layer, {"x": x}, rank5=x.ndim == 4)["y"]
    assert_close(actual, expected.reshape(*leading, *expected.shape[1:]), 0)


def test_depth_to_space_undoes_space_to_depth(rng):
    x = rng.normal(size=(2, 3, 6, 4)).astype(np.float32)
    layer, params = new_layer("reorganizeData")
    params.blockSize = 2
    deep = run_layer(layer, {"x": x})["y"]
    params.mode = MODES["DEPTH_TO_SPACE"]
    assert_close(run_layer(layer, {"x": deep})["y"], x, 0)


@pytest.mark.parametrize(
    ("mode", "block", "shape", "what"),
    [
        (0, 2, (1, 4, 3, 4), "height, 3, is not a multiple of 2"),
        (0, 2, (1, 4, 4, 3), "width, 3, is not a multiple of 2"),
        (1, 2, (1, 6, 4, 4), "number of channels, 6, is not a multiple of 4"),
        (2, 2, (1, 6, 4, 4), "number of channels"),
        (0, 1, (1, 4, 4, 4), "blockSize is 1"),
        (0, 0, (1, 4, 4, 4), "blockSize is 0"),
        (0, 2**60, (1, 4, 4, 4), "blockSize is"),
        (1, 2**31 - 1, (1, 4, 4, 4), "not a multiple"),
        (7, 2, (1, 4, 4, 4), "mode 7"),
    ],
)
def test_impossible_blocks(mode, block, shape, what):
    layer, params = new_layer("reorganizeData")
    params.mode, params.blockSize = mode, block
    with pytest.raises(InvalidModelError, match=what):
        run_layer(layer, {"x": np.zeros(shape)})


def test_too_low_a_rank():
    layer, params = new_layer("reorganizeData")
    params.blockSize = 2
    with pytest.raises(InvalidModelError, match="rank 2"):
        run_layer(layer, {"x": np.zeros((4, 4))}, rank5=False)
