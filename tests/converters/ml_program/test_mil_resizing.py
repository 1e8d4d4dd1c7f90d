"""Upsampling and resizing against the grid points of MIL's text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mil_programs import one_operation
from mil_runs import check_one, run_one

from mltoolkit.errors import InvalidModelError
from mltoolkit.model import Model

RNG = np.random.default_rng(15)
X = RNG.normal(size=(2, 3, 4, 7)).astype(np.float32)
MODES = ["STRICT_ALIGN_CORNERS", "ALIGN_CORNERS", "DEFAULT", "OFFSET_CORNERS", "UNALIGN_CORNERS"]
# Positions in float32, some 1e-6 of a pixel off, times differences of up to 5 between pixels.
TOLERANCE = 1e-5


def grid(mode: str, size: int, count: int) -> np.ndarray:
    """The formulas of ``resize_bilinear`` in MIL's text, where they are defined for one point, too."""
    steps = np.arange(count)
    if mode.endswith("ALIGN_CORNERS") and mode != "UNALIGN_CORNERS":
        if mode == "ALIGN_CORNERS" and count == 1:
            return np.array([(size - 1) / 2])
        points = steps * ((size - 1) / max(count - 1, 1))
    elif mode == "DEFAULT":
        points = steps * ((size - size / count) / max(count - 1, 1))
    elif mode == "OFFSET_CORNERS":
        # 0.5 · delta + i · delta; here with one rounding, so that half pixels are exactly that.
        points = (steps + 0.5) * max(1, size - 1) / count
    else:
        points = steps * size / count + 0.5 * size / count - 0.5
    return np.clip(points, 0, size - 1)


def along(x: np.ndarray, axis: int, points: np.ndarray) -> np.ndarray:
    below = np.floor(points).astype(int)
    above = np.minimum(below + 1, x.shape[axis] - 1)
    share = (points - below).reshape([-1] + [1] * (x.ndim - 1 - axis))
    return x.take(below, axis) * (1 - share) + x.take(above, axis) * share


def bilinear(x: np.ndarray, mode: str, target: tuple[int, int]) -> np.ndarray:
    result = x.astype(np.float64)
    for axis, count in zip((x.ndim - 2, x.ndim - 1), target, strict=True):
        result = along(result, axis, grid(mode, x.shape[axis], count))
    return result.astype(np.float32)


def nearest(x: np.ndarray, mode: str, target: tuple[int, int]) -> np.ndarray:
    for axis, count in zip((x.ndim - 2, x.ndim - 1), target, strict=True):
        size = x.shape[axis]
        if mode in ("DEFAULT", "UNALIGN_CORNERS"):
            places = [int((2 * i + 1) * size // (2 * count)) for i in range(count)]
        else:
            places = [min(int(np.floor(point + 0.5)), size - 1) for point in grid(mode, size, count)]
        x = x.take(places, axis)
    return x


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("target", [(1, 1), (8, 14), (4, 7), (5, 3), (1, 9)])
@pytest.mark.parametrize("rank", [2, 3, 4, 5])
def test_resize_bilinear(mode: str, target: tuple[int, int], rank: int) -> None:
    x = X[None] if rank == 5 else X[(0,) * (4 - rank)]
    sizes = {"target_size_height": np.int32(target[0]), "target_size_width": np.int32(target[1])}
    expected = bilinear(x, mode, target)
    check_one("resize_bilinear", {"x": x}, sizes | {"sampling_mode": mode}, expected, tolerance=TOLERANCE)


@pytest.mark.parametrize("interpolation", ["LINEAR", "NEAREST_NEIGHBOR"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("target", [(1, 1), (8, 14), (6, 0), (5, 3)])
@pytest.mark.parametrize("known", [True, False])
def test_resize(interpolation: str, mode: str, target: tuple[int, int], known: bool) -> None:
    resized = tuple(count or size for count, size in zip(target, X.shape[2:], strict=True))
    expected = (bilinear if interpolation == "LINEAR" else nearest)(X, mode, resized)
    constants = {"resized_dims": np.int32(2), "interpolation_mode": interpolation, "sampling_mode": mode}
    shape = np.array([9, *target], np.int32)
    if known:
        check_one("resize", {"x": X}, constants | {"shape": shape}, expected, tolerance=TOLERANCE)
        return
    spec = one_operation("resize", {"x": X, "shape": shape}, constants, ("float32", (2, 3, None, None)))
    found = Model(spec).predict({"x": X, "shape": shape})["out"]
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


def test_resize_of_one_axis_and_of_three() -> None:
    constants = {"interpolation_mode": "LINEAR", "sampling_mode": "UNALIGN_CORNERS"}
    expected = along(X.astype(np.float64), 3, grid("UNALIGN_CORNERS", 7, 5)).astype(np.float32)
    one = constants | {"shape": np.array([5]), "resized_dims": np.int32(1)}
    check_one("resize", {"x": X}, one, expected, tolerance=TOLERANCE)
    expected = along(expected.astype(np.float64), 1, grid("UNALIGN_CORNERS", 3, 4)).astype(np.float32)
    three = constants | {"shape": np.array([2, 4, 0, 5]), "resized_dims": np.int32(3)}
    check_one("resize", {"x": X}, three, expected, tolerance=TOLERANCE)


def test_resize_of_whole_numbers() -> None:
    x = RNG.integers(0, 9, size=(2, 3)).astype(np.int32)
    constants = {"shape": np.array([4, 3]), "resized_dims": np.int32(2), "sampling_mode": "DEFAULT"}
    nearest_mode = constants | {"interpolation_mode": "NEAREST_NEIGHBOR"}
    check_one("resize", {"x": x}, nearest_mode, x.repeat(2, axis=0))
    linear_mode = constants | {"interpolation_mode": "LINEAR"}
    check_one("resize", {"x": x}, linear_mode, bilinear(x, "DEFAULT", (4, 3)).astype(np.int32))


@pytest.mark.parametrize("target", [(4, 7), (8, 14), (3, 9), (1, 1)])
def test_resize_nearest_neighbor(target: tuple[int, int]) -> None:
    sizes = {"target_size_height": np.int32(target[0]), "target_size_width": np.int32(target[1])}
    check_one("resize_nearest_neighbor", {"x": X}, sizes, nearest(X, "DEFAULT", target))


@pytest.mark.parametrize("factors", [(2, 3), (1, 1), (2.0, 1.0), (1.5, 0.45), (3.17, 1.12)])
def test_upsample_nearest_neighbor(factors: tuple[float, float]) -> None:
    kind = np.int32 if isinstance(factors[0], int) else np.float32
    expected = X
    for axis, factor in zip((2, 3), factors, strict=True):
        count = int(X.shape[axis] * factor)
        expected = expected.take([i * X.shape[axis] // count for i in range(count)], axis)
    constants = {"scale_factor_height": kind(factors[0]), "scale_factor_width": kind(factors[1])}
    check_one("upsample_nearest_neighbor", {"x": X}, constants, expected)
    check_one("upsample_nearest_neighbor", {"x": X[0]}, constants, expected[0])


@pytest.mark.parametrize(
    ("given", "mode"),
    [
        ({"align_corners": True}, "STRICT_ALIGN_CORNERS"),
        ({"align_corners": False}, "UNALIGN_CORNERS"),
        ({"align_corners": False, "half_pixel_centers": False}, "DEFAULT"),
        ({}, "STRICT_ALIGN_CORNERS"),
    ],
)
@pytest.mark.parametrize("factors", [(2, 3), (2.5, 0.75), (0.7, 1.0)])
def test_upsample_bilinear(given: dict[str, bool], mode: str, factors: tuple[float, float]) -> None:
    kind = np.int32 if isinstance(factors[0], int) else np.float32
    target = (int(X.shape[2] * factors[0]), int(X.shape[3] * factors[1]))
    constants = {"scale_factor_height": kind(factors[0]), "scale_factor_width": kind(factors[1])}
    constants |= {name: np.bool_(flag) for name, flag in given.items()}
    check_one("upsample_bilinear", {"x": X}, constants, bilinear(X, mode, target), tolerance=TOLERANCE)


@pytest.mark.parametrize(
    ("kind", "x", "constants"),
    [
        ("resize_bilinear", X, {"target_size_height": np.int32(0), "target_size_width": np.int32(2)}),
        ("resize_bilinear", X, {"target_size_height": np.int32(1 << 30), "target_size_width": np.int32(2)}),
        ("resize_bilinear", X[0, 0, 0], {}),
        ("resize_bilinear", X, {"sampling_mode": "CORNERS"}),
        ("resize_nearest_neighbor", X, {"target_size_height": np.int32(2)}),
        ("upsample_bilinear", X, {"scale_factor_height": np.float32(0)}),
        ("upsample_bilinear", X, {"scale_factor_height": np.float32(np.nan)}),
        ("upsample_bilinear", X, {"scale_factor_height": np.float32(0.1)}),
        ("upsample_bilinear", X, {"half_pixel_centers": np.bool_(True)}),
        ("upsample_nearest_neighbor", X, {"scale_factor_height": np.int32(2**31 - 1)}),
        ("upsample_nearest_neighbor", X, {"scale_factor_height": np.float32(1e9)}),
        ("resize", X, {"shape": np.array([2, 2]), "resized_dims": np.int32(3)}),
        ("resize", X, {"shape": np.array([2, 2, 2, 2, 2]), "resized_dims": np.int32(1)}),
        ("resize", X, {"shape": np.array([-2]), "resized_dims": np.int32(1)}),
        ("resize", X, {"shape": np.array([2]), "resized_dims": np.int32(1), "interpolation_mode": "CUBIC"}),
    ],
)
def test_what_does_not_fit_is_refused(kind: str, x: np.ndarray, constants: Any) -> None:
    with pytest.raises(InvalidModelError):
        run_one(kind, {"x": x}, constants, np.zeros((1,) * 4, np.float32))
