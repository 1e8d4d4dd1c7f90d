"""resample and affine against PyTorch's rules, written out for one point at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mil_runs import check_one, run_one

from mltoolkit.errors import InvalidModelError, UnsupportedModelError

RNG = np.random.default_rng(17)
X = RNG.normal(size=(2, 3, 5, 4)).astype(np.float32)
PADDINGS = ["constant", "border", "reflection", "symmetric"]
COORDINATES = ["unnormalized", "normalized_minus_one_to_one", "normalized_zero_to_one"]
# GridSample's positions in −1..1 are off by some 1e-7 · X pixels; the coordinates are rounded before.
TOLERANCE = 2e-5


def padded_index(index: int, size: int, padding: str) -> int | None:
    """The pixel that stands for ``index``, as the examples in MIL's text show; None for the padding value."""
    if 0 <= index < size:
        return index
    if padding == "constant":
        return None
    if padding == "border":
        return min(max(index, 0), size - 1)
    if padding == "symmetric":
        index %= 2 * size
        return min(index, 2 * size - 1 - index)
    if size == 1:
        return 0
    index %= 2 * (size - 1)
    return min(index, 2 * (size - 1) - index)


def pixel(image: np.ndarray, y: int, x: int, padding: str, value: float) -> np.ndarray:
    row, column = (padded_index(*pair, padding) for pair in ((y, image.shape[1]), (x, image.shape[2])))
    if row is None or column is None:
        return np.full(image.shape[0], value)
    return image[:, row, column].astype(np.float64)


def sample(image: np.ndarray, x: float, y: float, mode: str, padding: str, value: float) -> np.ndarray:
    if mode == "nearest":
        return pixel(image, round(y), round(x), padding, value)
    top, left = int(np.floor(y)), int(np.floor(x))
    total = np.zeros(image.shape[0])
    for row, column in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
        share = (1 - abs(y - row)) * (1 - abs(x - column))
        total += share * pixel(image, row, column, padding, value)
    return total


def in_pixels(coordinate: float, size: int, mode: str, aligned: bool) -> float:
    if mode == "unnormalized":
        return coordinate
    share = (coordinate + 1) / 2 if mode == "normalized_minus_one_to_one" else coordinate
    return share * (size - 1) if aligned else share * size - 0.5


def resampled(points: np.ndarray, modes: dict[str, Any], image: np.ndarray = X) -> np.ndarray:
    batch, height, width, _ = points.shape
    result = np.zeros((batch, image.shape[1], height, width))
    for b, i, j in np.ndindex(batch, height, width):
        x, y = (
            in_pixels(
                float(points[b, i, j, k]),
                image.shape[3 - k],
                modes["coordinates_mode"],
                modes["align_corners"],
            )
            for k in range(2)
        )
        result[b, :, i, j] = sample(
            image[b], x, y, modes["sampling_mode"], modes["padding_mode"], float(modes["padding_value"])
        )
    return result.astype(np.float32)


@pytest.mark.parametrize("sampling", ["bilinear", "nearest"])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize("aligned", [True, False])
def test_resample(sampling: str, padding: str, coordinates: str, aligned: bool) -> None:
    reach = {
        "unnormalized": (-9, 12),
        "normalized_minus_one_to_one": (-3, 3),
        "normalized_zero_to_one": (-1, 2),
    }
    points = RNG.uniform(*reach[coordinates], size=(2, 3, 6, 2)).astype(np.float32)
    modes = {
        "sampling_mode": sampling,
        "padding_mode": padding,
        "padding_value": np.float32(6.5),
        "coordinates_mode": coordinates,
        "align_corners": np.bool_(aligned),
    }
    arrays = {"x": X, "coordinates": points}
    check_one("resample", arrays, modes, resampled(points, modes), tolerance=TOLERANCE)


def test_halves_go_to_the_even_pixel() -> None:
    points = np.array([0.5, 1.5, 2.5, -0.5, 3.5], dtype=np.float32)
    grid = np.stack(np.broadcast_arrays(points, points[:4, np.newaxis]), axis=-1)[np.newaxis]
    grid = np.repeat(grid, 2, axis=0)
    modes = {
        "sampling_mode": "nearest",
        "padding_mode": "constant",
        "padding_value": np.float32(6.5),
        "coordinates_mode": "unnormalized",
        "align_corners": np.bool_(False),
    }
    check_one("resample", {"x": X, "coordinates": grid}, modes, resampled(grid, modes), tolerance=TOLERANCE)


@pytest.mark.parametrize("padding", PADDINGS)
def test_resample_at_whole_numbers_of_an_image_of_one_row(padding: str) -> None:
    image = X[:, :, :1]
    points = RNG.integers(-6, 9, size=(2, 2, 5, 2)).astype(np.int32)
    modes = {"sampling_mode": "bilinear", "padding_mode": padding, "padding_value": np.float32(-1e9)}
    modes |= {"coordinates_mode": "unnormalized", "align_corners": np.bool_(False)}
    arrays = {"x": image, "coordinates": points}
    check_one("resample", arrays, modes, resampled(points, modes, image), tolerance=TOLERANCE)


AFFINE: dict[str, Any] = {
    "sampling_mode": "bilinear",
    "padding_mode": "constant",
    "padding_value": np.float32(0),
    "coordinates_mode": "normalized_minus_one_to_one",
    "align_corners": np.bool_(True),
}


@pytest.mark.parametrize("matrices", [1, 2])
@pytest.mark.parametrize("target", [(5, 4), (3, 7), (1, 2)])
def test_affine(matrices: int, target: tuple[int, int]) -> None:
    matrix = RNG.uniform(-1.2, 1.2, size=(matrices, 6)).astype(np.float32)
    down, across = (np.linspace(-1, 1, count) if count > 1 else np.zeros(1) for count in target)
    points = np.zeros((2, *target, 2))
    for b, i, j in np.ndindex(2, *target):
        row = matrix[b % matrices].astype(np.float64)
        points[b, i, j] = [row[k] * across[j] + row[k + 1] * down[i] + row[k + 2] for k in (0, 3)]
    sizes = {"output_height": np.int32(target[0]), "output_width": np.int32(target[1])}
    arrays = {"x": X, "transform_matrix": matrix}
    check_one("affine", arrays, AFFINE | sizes, resampled(points, AFFINE), tolerance=TOLERANCE)


@pytest.mark.parametrize(
    ("kind", "arrays", "changes"),
    [
        ("resample", {"x": X, "coordinates": np.zeros((2, 3, 3, 3), np.float32)}, {}),
        ("resample", {"x": X[0], "coordinates": np.zeros((2, 3, 3, 2), np.float32)}, {}),
        ("resample", {"x": X, "coordinates": np.zeros((2, 3, 3, 2), np.float32)}, {"padding_mode": "wrap"}),
        ("affine", {"x": X, "transform_matrix": np.zeros((3, 6), np.float32)}, {}),
        ("affine", {"x": X, "transform_matrix": np.zeros((1, 5), np.float32)}, {}),
        (
            "affine",
            {"x": X, "transform_matrix": np.zeros((1, 6), np.float32)},
            {"output_height": np.int32(0)},
        ),
    ],
)
def test_what_does_not_fit_is_refused(kind: str, arrays: Any, changes: Any) -> None:
    sizes = {"output_height": np.int32(3), "output_width": np.int32(3)} if kind == "affine" else {}
    with pytest.raises(InvalidModelError):
        run_one(kind, arrays, AFFINE | sizes | changes, np.zeros((2, 3, 3, 3), np.float32))


def test_affine_in_modes_that_core_ml_lacks() -> None:
    arrays = {"x": X, "transform_matrix": np.zeros((1, 6), np.float32)}
    sizes = {"output_height": np.int32(3), "output_width": np.int32(3)}
    for change in ({"align_corners": np.bool_(False)}, {"padding_value": np.float32(1)}):
        with pytest.raises(UnsupportedModelError, match="affine"):
            run_one("affine", arrays, AFFINE | sizes | change, np.zeros((2, 3, 3, 3), np.float32))
