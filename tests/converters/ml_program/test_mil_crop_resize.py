"""crop_resize against a loop over boxes and points."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mil_runs import check_one, run_one

from mltoolkit.errors import InvalidModelError

RNG = np.random.default_rng(16)
X = RNG.normal(size=(3, 2, 6, 9)).astype(np.float32)
MODES = ["STRICT_ALIGN_CORNERS", "ALIGN_CORNERS", "DEFAULT", "OFFSET_CORNERS", "UNALIGN_CORNERS"]
# GridSample's positions in −1..1 are off by some 1e-7 · X pixels.
TOLERANCE = 2e-5


def points(mode: str, first: float, last: float, count: int) -> np.ndarray:
    """The grid of an axis of size last − first + 1, moved to ``first``."""
    size = last - first + 1
    steps = np.arange(count)
    if mode in ("STRICT_ALIGN_CORNERS", "ALIGN_CORNERS"):
        if mode == "ALIGN_CORNERS" and count == 1:
            return np.array([(first + last) / 2])
        grid = steps * (size - 1) / max(count - 1, 1)
    elif mode == "DEFAULT":
        grid = steps * size / count
    elif mode == "OFFSET_CORNERS":
        grid = (steps + 0.5) * max(1, size - 1) / count
    else:
        grid = (steps + 0.5) * size / count - 0.5
    return first + np.clip(grid, 0, size - 1)


def at(image: np.ndarray, y: float, x: float, outside: float | None) -> np.ndarray:
    height, width = image.shape[1:]
    if outside is not None and not (0 <= y <= height - 1 and 0 <= x <= width - 1):
        return np.full(image.shape[0], outside)
    y, x = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    upper = image[:, top, left] * (1 - x + left) + image[:, top, right] * (x - left)
    lower = image[:, bottom, left] * (1 - x + left) + image[:, bottom, right] * (x - left)
    return upper * (1 - y + top) + lower * (y - top)


def patch(image: np.ndarray, box: np.ndarray, target: tuple[int, int], mode: str, outside: float | None) -> np.ndarray:
    """(C, *target) of a box of h_start, w_start, h_end, w_end in pixels."""
    rows = points(mode, box[0], box[2], target[0])
    columns = points(mode, box[1], box[3], target[1])
    found = [[at(image.astype(np.float64), y, x, outside) for x in columns] for y in rows]
    return np.array(found).transpose(2, 0, 1).astype(np.float32)


def some_boxes(count: int, reach: float = 0.0) -> np.ndarray:
    corners = RNG.uniform(-reach, np.array([5, 8]) + reach, size=(count, 2, 2))
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1).astype(np.float32)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("target", [(1, 1), (3, 4), (2, 1)])
def test_boxes_of_every_image(mode: str, target: tuple[int, int]) -> None:
    boxes = some_boxes(4)
    expected = np.stack([[patch(image, box, target, mode, None) for image in X] for box in boxes])
    constants = {"target_height": np.int32(target[0]), "target_width": np.int32(target[1])}
    constants |= {"sampling_mode": mode}
    roi = boxes[:, None, :, None, None]
    check_one("crop_resize", {"x": X, "roi": roi}, constants, expected, tolerance=TOLERANCE)
    check_one("crop_resize", {"x": X}, constants | {"roi": roi}, expected, tolerance=TOLERANCE)


@pytest.mark.parametrize("layout", ["CORNERS_WIDTH_FIRST", "CENTER_SIZE_HEIGHT_FIRST", "CENTER_SIZE_WIDTH_FIRST"])
@pytest.mark.parametrize("normalized", [True, False])
def test_boxes_of_numbered_images(layout: str, normalized: bool) -> None:
    boxes, numbers = some_boxes(5, reach=2.0), np.array([0, 2, 1, 2, 2])
    expected = np.stack(
        [[patch(X[i], box, (3, 2), "ALIGN_CORNERS", 9.5)] for i, box in zip(numbers, boxes, strict=True)]
    )
    # What lies on the border's line may fall on either side of it after rounding: no box ends there.
    given = boxes / (np.array([5, 8, 5, 8]) if normalized else 2)
    if layout.startswith("CENTER"):
        given = np.concatenate([(given[:, :2] + given[:, 2:]) / 2, given[:, 2:] - given[:, :2]], axis=1)
    if layout.endswith("WIDTH_FIRST"):
        given = given[:, [1, 0, 3, 2]]
    constants = {"target_height": np.int32(3), "target_width": np.int32(2), "pad_value": np.float32(9.5)}
    constants |= {"sampling_mode": "ALIGN_CORNERS", "box_coordinate_mode": layout}
    constants |= {"normalized_coordinates": np.bool_(normalized)}
    constants |= {"spatial_scale": np.float32(1 if normalized else 2)}
    roi = np.concatenate([numbers[:, None], given], axis=1)[:, None, :, None, None].astype(np.float32)
    check_one("crop_resize", {"x": X, "roi": roi}, constants, expected, tolerance=1e-4)
    newer = {"x": X, "boxes": given.astype(np.float32), "box_indices": numbers.astype(np.int32)}
    check_one("crop_resize", newer, constants, expected[:, 0], tolerance=1e-4)


def test_one_box_an_image_by_default() -> None:
    boxes = some_boxes(3)
    expected = np.stack([patch(*pair, (2, 2), "DEFAULT", None) for pair in zip(X, boxes, strict=True)])
    constants = {"target_height": np.int32(2), "target_width": np.int32(2), "pad_value": np.float32(0)}
    check_one("crop_resize", {"x": X, "boxes": boxes}, constants, expected, tolerance=TOLERANCE)


@pytest.mark.parametrize(
    ("arrays", "constants"),
    [
        ({"x": X[0], "boxes": some_boxes(3)}, {}),
        ({"x": X, "boxes": some_boxes(3)[:, :3]}, {}),
        ({"x": X, "roi": some_boxes(3)}, {}),
        ({"x": X, "boxes": some_boxes(3)}, {"sampling_mode": "CORNERS"}),
        ({"x": X, "boxes": some_boxes(3)}, {"box_coordinate_mode": "CORNERS"}),
        ({"x": X, "boxes": some_boxes(3)}, {"target_height": np.int32(2**31 - 1)}),
        ({"x": X, "boxes": some_boxes(3)}, {"spatial_scale": np.float32(np.inf)}),
    ],
)
def test_what_does_not_fit_is_refused(arrays: Any, constants: Any) -> None:
    with pytest.raises(InvalidModelError):
        run_one("crop_resize", arrays, constants, np.zeros((1,) * 4, np.float32))
