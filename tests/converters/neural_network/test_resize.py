"""Upsample and resizeBilinear against interpolation matrices computed in float64.

onnxruntime computes sampling points in float32: on an axis of X pixels they are off by up to X · 2⁻²³, which
is 4e-6 for the largest axis here (33), times differences of up to about 5 between neighbouring pixels.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from running import assert_close, new_layer, run_layer

from mltoolkit.errors import InvalidModelError

TOLERANCE = 2e-5

METHODS = {
    "STRICT_ALIGN_ENDPOINTS_MODE": 0,
    "ALIGN_ENDPOINTS_MODE": 1,
    "UPSAMPLE_MODE": 2,
    "ROI_ALIGN_MODE": 3,
}


def sampling_points(method, size, points):
    """SamplingMode in the words of the format."""
    if method == "STRICT_ALIGN_ENDPOINTS_MODE":
        grid = np.linspace(0, size - 1, points)
    elif method == "ALIGN_ENDPOINTS_MODE":
        grid = np.array([(size - 1) / 2]) if points == 1 else np.linspace(0, size - 1, points)
    elif method == "UPSAMPLE_MODE":
        grid = np.linspace(0, size - size / points, points)
    else:
        spacing = max(1, size - 1) / points
        start = 0.5 * spacing
        grid = np.linspace(start, start + (points - 1) * spacing, points)
    return np.minimum(size - 1, grid)


def interpolation_matrix(grid, size):
    """(points, size): hat functions around each pixel."""
    return np.maximum(0, 1 - np.abs(np.asarray(grid)[:, None] - np.arange(size)))


def resample(x, rows, columns):
    height, width = x.shape[-2:]
    vertical, horizontal = interpolation_matrix(rows, height), interpolation_matrix(columns, width)
    return vertical @ x.astype(np.float64) @ horizontal.T


def resize_layer(target, method):
    layer, params = new_layer("resizeBilinear")
    params.targetSize.extend(target)
    params.mode.samplingMethod = METHODS[method]
    return layer


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", list(itertools.product((1, 2, 5, 33), (1, 3, 7))), ids=str)
@pytest.mark.parametrize("target", list(itertools.product((1, 2, 5, 20), (1, 3, 7))), ids=str)
def test_resize_bilinear(rng, method, size, target):
    x = rng.normal(size=(2, 3, *size)).astype(np.float32)
    grids = [sampling_points(method, *pair) for pair in zip(size, target, strict=True)]
    actual = run_layer(resize_layer(target, method), {"x": x})["y"]
    assert_close(actual, resample(x, *grids), TOLERANCE, method)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("leading", [(2,), (2, 1, 3), (2, 1, 3, 2)])
def test_resize_of_any_rank(rng, method, leading):
    x = rng.normal(size=(*leading, 4, 5)).astype(np.float32)
    grids = [sampling_points(method, 4, 6), sampling_points(method, 5, 3)]
    actual = run_layer(resize_layer((6, 3), method), {"x": x}, rank5=False)["y"]
    assert_close(actual, resample(x, *grids), TOLERANCE, method)


@pytest.mark.parametrize("method", METHODS)
def test_a_plane_stays_a_plane(method):
    # Interpolation of a linear function gives that function at the sampling points, whatever the sizes.
    rows, columns = np.mgrid[0:65, 0:49]
    x = (rows / 64 + 2 * columns / 48).astype(np.float32)[None, None]
    target = (129, 65)
    grids = [sampling_points(method, size, points) for size, points in zip((65, 49), target, strict=True)]
    expected = grids[0][:, None] / 64 + 2 * grids[1] / 48
    actual = run_layer(resize_layer(target, method), {"x": x})["y"]
    assert_close(actual, expected[None, None], 1e-5, method)


def test_unset_size_is_one_pixel(rng):
    x = rng.normal(size=(1, 2, 5, 7)).astype(np.float32)
    assert_close(run_layer(resize_layer((), "ALIGN_ENDPOINTS_MODE"), {"x": x})["y"], x[:, :, 2:3, 3:4])


@pytest.mark.parametrize("method", ["STRICT_ALIGN_ENDPOINTS_MODE", "ALIGN_ENDPOINTS_MODE", "UPSAMPLE_MODE"])
def test_resize_of_unknown_size(rng, method):
    x = rng.normal(size=(1, 2, 5, 7)).astype(np.float32)
    grids = [sampling_points(method, 5, 1), sampling_points(method, 7, 9)]
    actual = run_layer(resize_layer((1, 9), method), {"x": x}, shapes={"x": (1, 2, "H", "W")})["y"]
    assert_close(actual, resample(x, *grids), TOLERANCE, method)


@pytest.mark.parametrize(
    ("target", "method", "shape", "what"),
    [
        ((3,), 0, (1, 2, 5, 7), "targetSize"),
        ((3, 0), 0, (1, 2, 5, 7), "targetSize"),
        ((3, 2**60), 0, (1, 2, 5, 7), "targetSize"),
        ((2**31 - 1, 2**31 - 1), 3, (1, 2, 5, 7), "GiB"),
        ((3, 3), 8, (1, 2, 5, 7), "sampling mode 8"),
        ((3, 3), 0, (5, 7), "rank"),
        ((3, 3), 0, (7,), "axis -2 of a blob of rank 1"),
    ],
)
def test_impossible_resizes(target, method, shape, what):
    layer, params = new_layer("resizeBilinear")
    params.targetSize.extend(target)
    params.mode.samplingMethod = method
    with pytest.raises(InvalidModelError, match=what):
        run_layer(layer, {"x": np.zeros(shape)}, rank5=len(shape) == 4)


NEAREST, BILINEAR = 0, 1
LINEAR_MODES = {"DEFAULT": 0, "ALIGN_CORNERS_TRUE": 1, "ALIGN_CORNERS_FALSE": 2}


def upsample_layer(factors, mode, linear_mode="DEFAULT", fractional=False):
    layer, params = new_layer("upsample")
    (params.fractionalScalingFactor if fractional else params.scalingFactor).extend(factors)
    params.mode = mode
    params.linearUpsampleMode = LINEAR_MODES[linear_mode]
    return layer


def upsampling_points(linear_mode, size, points):
    """As coremltools' NeuralNetworkBuilder.add_upsample describes them."""
    steps = np.arange(points)
    if linear_mode == "DEFAULT":
        spacing = (size - size / points) / (points - 1) if points > 1 else 0
        grid = steps * spacing
    elif linear_mode == "ALIGN_CORNERS_TRUE":
        grid = steps * ((size - 1) / (points - 1) if points > 1 else 0)
    else:
        spacing = size / points
        grid = steps * spacing + 0.5 * spacing - 0.5
    return np.minimum(size - 1, np.maximum(0, grid))


@pytest.mark.parametrize("factors", [(1, 1), (2, 2), (3, 1), (1, 5), (7, 3)])
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (3, 4, 5), (2, 1, 3, 4, 5)])
def test_nearest_neighbour_repeats_pixels(rng, factors, shape):
    x = rng.normal(size=shape).astype(np.float32)
    expected = x.repeat(factors[0], axis=-2).repeat(factors[1], axis=-1)
    actual = run_layer(upsample_layer(factors, NEAREST), {"x": x}, rank5=len(shape) == 4)["y"]
    assert_close(actual, expected, 0)


@pytest.mark.parametrize("linear_mode", LINEAR_MODES)
@pytest.mark.parametrize("factors", [(1, 1), (2, 2), (3, 1), (1, 5), (7, 3)])
@pytest.mark.parametrize("size", [(4, 5), (1, 3), (1, 1)])
def test_bilinear_upsampling(rng, linear_mode, factors, size):
    x = rng.normal(size=(2, 3, *size)).astype(np.float32)
    grids = [upsampling_points(linear_mode, n, n * factor) for n, factor in zip(size, factors, strict=True)]
    actual = run_layer(upsample_layer(factors, BILINEAR, linear_mode), {"x": x})["y"]
    assert_close(actual, resample(x, *grids), TOLERANCE, linear_mode)


def test_example_of_apples_tests():
    x = np.array([1.0, 2.0, 3.0]).reshape(1, 1, 1, 3)
    row = [1, 4 / 3, 5 / 3, 2, 7 / 3, 8 / 3, 3, 3, 3]
    assert_close(run_layer(upsample_layer((2, 3), BILINEAR), {"x": x})["y"], np.array([[[row, row]]]))


@pytest.mark.parametrize("linear_mode", ["ALIGN_CORNERS_TRUE", "ALIGN_CORNERS_FALSE"])
@pytest.mark.parametrize("factors", [(1.66, 2.32), (2.98, 0.5), (0.1, 1.1), (1.0, 2.0)])
def test_fractional_factors(rng, linear_mode, factors):
    x = rng.normal(size=(1, 2, 10, 10)).astype(np.float32)
    sizes = [int(10 * factor + 1e-9) for factor in factors]
    grids = [upsampling_points(linear_mode, 10, size) for size in sizes]
    layer = upsample_layer(factors, BILINEAR, linear_mode, fractional=True)
    assert_close(run_layer(layer, {"x": x})["y"], resample(x, *grids), TOLERANCE, linear_mode)


def test_upsampling_of_unknown_size(rng):
    x = rng.normal(size=(1, 2, 4, 5)).astype(np.float32)
    actual = run_layer(upsample_layer((2, 3), NEAREST), {"x": x}, shapes={"x": (1, 2, "H", "W")})["y"]
    assert_close(actual, x.repeat(2, axis=-2).repeat(3, axis=-1), 0)


@pytest.mark.parametrize(
    ("factors", "fractional", "mode", "linear_mode", "what"),
    [
        ((2,), False, 0, 0, "scalingFactor"),
        ((0, 2), False, 0, 0, "scalingFactor"),
        ((2**60, 2), False, 0, 0, "scalingFactor"),
        ((2**20, 2**20), False, 0, 0, "GiB"),
        ((2, 2), False, 0, 1, "no linear mode"),
        ((2, 2), False, 5, 0, "interpolation mode 5"),
        ((2, 2), False, 1, 5, "linear mode 5"),
        ((1.5,), True, 1, 1, "two scaling factors"),
        ((1.5, 1.5), True, 1, 0, "other than DEFAULT"),
        ((float("nan"), 1.5), True, 1, 1, "nan is impossible"),
        ((-1.0, 1.5), True, 1, 1, "impossible"),
        ((0.01, 1.5), True, 1, 1, "leaves no pixel"),
        ((1e9, 1e9), True, 1, 1, "GiB"),
    ],
)
def test_impossible_upsamplings(factors, fractional, mode, linear_mode, what):
    layer, params = new_layer("upsample")
    (params.fractionalScalingFactor if fractional else params.scalingFactor).extend(factors)
    params.mode, params.linearUpsampleMode = mode, linear_mode
    with pytest.raises(InvalidModelError, match=what):
        run_layer(layer, {"x": np.zeros((1, 2, 4, 5))})


def test_both_kinds_of_factors():
    layer = upsample_layer((2, 2), BILINEAR, "ALIGN_CORNERS_TRUE")
    layer.upsample.fractionalScalingFactor.extend([1.5, 1.5])
    with pytest.raises(InvalidModelError, match="either whole or fractional"):
        run_layer(layer, {"x": np.zeros((1, 2, 4, 5))})
