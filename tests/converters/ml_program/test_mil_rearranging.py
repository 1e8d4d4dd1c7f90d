"""Pixels moved between space, channels and batch, against loops over every element."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mil_runs import check_one, run_one

from mltoolkit.errors import InvalidModelError

RNG = np.random.default_rng(14)


def to_space(x: np.ndarray, block: int, *, channel_slowest: bool) -> np.ndarray:
    batch, channels, height, width = x.shape
    kept = channels // block**2
    result = np.zeros((batch, kept, height * block, width * block), x.dtype)
    for c, i, j in np.ndindex(kept, block, block):
        place = (c * block + i) * block + j if channel_slowest else (i * block + j) * kept + c
        result[:, c, i::block, j::block] = x[:, place]
    return result


@pytest.mark.parametrize("block", [1, 2, 3])
def test_channels_and_space(block: int) -> None:
    x = RNG.normal(size=(2, 2 * block**2, 3, 4)).astype(np.float32)
    deep = to_space(x, block, channel_slowest=False)
    check_one("depth_to_space", {"x": x}, {"block_size": np.int32(block)}, deep)
    check_one("space_to_depth", {"x": deep}, {"block_size": np.int32(block)}, x)
    shuffled = to_space(x, block, channel_slowest=True)
    check_one("pixel_shuffle", {"x": x}, {"upscale_factor": np.int32(block)}, shuffled)
    check_one("pixel_unshuffle", {"x": shuffled}, {"downscale_factor": np.int32(block)}, x)


@pytest.mark.parametrize("amounts", [[[0, 0], [0, 0]], [[1, 1], [0, 2]], [[2, 0], [1, 3]]])
def test_batch_and_space(amounts: list[list[int]]) -> None:
    x = RNG.normal(size=(2, 3, 4, 5 + sum(amounts[1]) % 2 + 1)).astype(np.float32)
    padded = np.pad(x, [(0, 0), (0, 0), *amounts])
    expected = np.zeros((8, 3, padded.shape[2] // 2, padded.shape[3] // 2), np.float32)
    for i, j, b in np.ndindex(2, 2, 2):
        expected[(i * 2 + j) * 2 + b] = padded[b, :, i::2, j::2]
    blocks = {"block_shape": np.array([2, 2])}
    check_one("space_to_batch", {"x": x}, blocks | {"paddings": np.array(amounts)}, expected)
    check_one("batch_to_space", {"x": expected}, blocks | {"crops": np.array(amounts)}, x)


def test_crop() -> None:
    x = RNG.normal(size=(2, 3, 6, 7)).astype(np.float32)
    constants = {"crop_height": np.array([1, 2]), "crop_width": np.array([0, 3])}
    check_one("crop", {"x": x}, constants, x[:, :, 1:4, :4])
    check_one("crop", {"x": x[0]}, constants, x[0, :, 1:4, :4])


X = np.zeros((2, 3, 4, 4), np.float32)


@pytest.mark.parametrize(
    ("kind", "x", "constants"),
    [
        ("depth_to_space", X, {"block_size": np.int32(2)}),
        ("depth_to_space", X[0], {"block_size": np.int32(1)}),
        ("pixel_shuffle", X, {"upscale_factor": np.int32(0)}),
        ("space_to_depth", X, {"block_size": np.int32(3)}),
        ("pixel_unshuffle", X, {"downscale_factor": np.int32(3)}),
        ("space_to_batch", X, {"block_shape": np.array([3, 2]), "paddings": np.zeros((2, 2), np.int32)}),
        (
            "space_to_batch",
            X,
            {"block_shape": np.array([2, 2]), "paddings": np.array([[1 << 30, 0], [0, 0]])},
        ),
        ("space_to_batch", X, {"block_shape": np.array([2, 2]), "paddings": np.zeros(3, np.int32)}),
        ("batch_to_space", X, {"block_shape": np.array([2, 2]), "crops": np.zeros((2, 2), np.int32)}),
        ("crop", X, {"crop_height": np.array([3, 2]), "crop_width": np.array([0, 0])}),
        ("crop", X[0, 0, 0], {"crop_height": np.array([0, 0]), "crop_width": np.array([0, 0])}),
    ],
)
def test_what_does_not_fit_is_refused(kind: str, x: np.ndarray, constants: Any) -> None:
    with pytest.raises(InvalidModelError):
        run_one(kind, {"x": x}, constants, np.zeros((1,) * 4, np.float32))
