"""Crop-resize against a loop over boxes and pixels written from the format's text.

GridSample takes float32 points in −1..1: they are off by some 1e-7 · X pixels on an axis of X, which the
differences of up to 5 between neighbouring pixels of the test images multiply.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from running import assert_close, new_layer, run_layer

from mltoolkit.errors import InvalidModelError

TOLERANCE = 2e-5
METHODS = ["STRICT_ALIGN_ENDPOINTS_MODE", "ALIGN_ENDPOINTS_MODE", "UPSAMPLE_MODE", "ROI_ALIGN_MODE"]
BOX_MODES = [
    "CORNERS_HEIGHT_FIRST",
    "CORNERS_WIDTH_FIRST",
    "CENTER_SIZE_HEIGHT_FIRST",
    "CENTER_SIZE_WIDTH_FIRST",
]


def box_points(method, first, last, points, size):
    """Sampling points of [first, last]: SamplingMode with X − 1 = last − first, moved to ``first``."""
    x = last - first + 1
    if method == "STRICT_ALIGN_ENDPOINTS_MODE":
        grid = np.linspace(0, x - 1, points)
    elif method == "ALIGN_ENDPOINTS_MODE":
        grid = np.array([(x - 1) / 2]) if points == 1 else np.linspace(0, x - 1, points)
    elif method == "UPSAMPLE_MODE":
        grid = np.minimum(x - 1, np.linspace(0, x - x / points, points))
    else:
        spacing = max(1, x - 1) / points
        grid = np.minimum(x - 1, 0.5 * spacing + np.arange(points) * spacing)
    return np.clip(first + grid, 0, size - 1)


def bilinear(image, y, x):
    """(C, H, W) at one point."""
    top, left = int(np.floor(y)), int(np.floor(x))
    bottom, right = min(top + 1, image.shape[1] - 1), min(left + 1, image.shape[2] - 1)
    upper = image[:, top, left] * (1 - (x - left)) + image[:, top, right] * (x - left)
    lower = image[:, bottom, left] * (1 - (x - left)) + image[:, bottom, right] * (x - left)
    return upper * (1 - (y - top)) + lower * (y - top)


def reference(images, boxes, target, method):
    """Boxes of h_start, w_start, h_end, w_end in pixels, after an optional image number."""
    images = images.astype(np.float64)
    results = []
    for box in boxes:
        chosen = images if len(box) == 4 else images[int(box[0])][None]
        rows = box_points(method, box[-4], box[-2], target[0], images.shape[2])
        columns = box_points(method, box[-3], box[-1], target[1], images.shape[3])
        results += [
            np.stack([[bilinear(image, y, x) for x in columns] for y in rows]).transpose(2, 0, 1) for image in chosen
        ]
    return np.stack(results)


def encode(boxes, box_mode):
    """h_start, w_start, h_end, w_end in the order and form of a box mode."""
    boxes = np.array(boxes, np.float64)
    number, (top, left, bottom, right) = boxes[:, :-4], boxes[:, -4:].T
    if box_mode.startswith("CENTER"):
        vertical, horizontal = ((top + bottom) / 2, bottom - top), ((left + right) / 2, right - left)
    else:
        vertical, horizontal = (top, bottom), (left, right)
    first, second = (horizontal, vertical) if box_mode.endswith("WIDTH_FIRST") else (vertical, horizontal)
    return np.concatenate([number, np.stack([first[0], second[0], first[1], second[1]], axis=1)], axis=1)


def crop_layer(target, method="ALIGN_ENDPOINTS_MODE", box_mode="CORNERS_HEIGHT_FIRST"):
    layer, params = new_layer("cropResize", inputs=("x", "boxes"))
    params.targetSize.extend(target)
    params.mode.samplingMethod = params.mode.Method.Value(method)
    params.boxIndicesMode.boxMode = params.boxIndicesMode.Coordinates.Value(box_mode)
    return layer, params


def random_boxes(rng, count, height, width):
    corners = rng.uniform(0, 1, size=(count, 2, 2)) * (height - 1, width - 1)
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def run_crop(layer, images, boxes):
    return run_layer(layer, {"x": images, "boxes": np.asarray(boxes)[:, :, None, None]})["y"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("box_mode", BOX_MODES)
@pytest.mark.parametrize("target", list(itertools.product((1, 2, 5), (1, 4))), ids=str)
def test_modes(rng, method, box_mode, target):
    images = rng.normal(size=(1, 2, 6, 9)).astype(np.float32)
    boxes = random_boxes(rng, 4, 6, 9).astype(np.float32)
    layer, _ = crop_layer(target, method, box_mode)
    actual = run_crop(layer, images, encode(boxes, box_mode))
    assert_close(actual, reference(images, boxes, target, method), TOLERANCE, f"{method} {box_mode}")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("numbered", [True, False])
@pytest.mark.parametrize("batch", [1, 3])
def test_several_images(rng, method, numbered, batch):
    images = rng.normal(size=(batch, 2, 6, 9)).astype(np.float32)
    boxes = random_boxes(rng, 5, 6, 9)
    if numbered:
        boxes = np.concatenate([rng.integers(0, batch, size=(5, 1)), boxes], axis=1)
    layer, _ = crop_layer((3, 4), method)
    expected = reference(images, boxes, (3, 4), method)
    assert_close(run_crop(layer, images, boxes), expected, TOLERANCE, method)
    inputs = {"x": images[None], "boxes": boxes[:, None, :, None, None]}
    exact = run_layer(layer, inputs, rank5=False)["y"]
    assert exact.shape == (5, 1 if numbered else batch, 2, 3, 4)
    assert_close(exact.reshape(expected.shape), expected, TOLERANCE, method)


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (7, 1)])
@pytest.mark.parametrize("method", METHODS)
def test_images_of_one_row_or_column(rng, size, method):
    images = rng.normal(size=(1, 2, *size)).astype(np.float32)
    boxes = random_boxes(rng, 3, *size)
    layer, _ = crop_layer((2, 3), method)
    assert_close(run_crop(layer, images, boxes), reference(images, boxes, (2, 3), method), TOLERANCE, method)


def test_normalized_coordinates_and_spatial_scale(rng):
    images = rng.normal(size=(1, 2, 6, 9)).astype(np.float32)
    pixels = random_boxes(rng, 4, 6, 9)
    expected = reference(images, pixels, (3, 4), "ALIGN_ENDPOINTS_MODE")
    layer, params = crop_layer((3, 4))
    params.spatialScale = 0.25
    assert_close(run_crop(layer, images, pixels * 4), expected, TOLERANCE)
    params.normalizedCoordinates = True
    params.spatialScale = 1.0
    normalized = pixels / (5, 8, 5, 8)
    assert_close(run_crop(layer, images, normalized), expected, TOLERANCE)
    params.spatialScale = 0.5
    assert_close(run_crop(layer, images, normalized * 2), expected, TOLERANCE)


def test_the_whole_image_is_the_image(rng):
    images = rng.normal(size=(2, 3, 5, 7)).astype(np.float32)
    layer, params = crop_layer((5, 7))
    params.normalizedCoordinates = True
    assert_close(run_crop(layer, images, [[0, 0, 1, 1]]), images, TOLERANCE)


@pytest.mark.parametrize("method", METHODS)
def test_boxes_beyond_the_image_see_its_border(rng, method):
    images = rng.normal(size=(1, 2, 6, 9)).astype(np.float32)
    boxes = np.array([[-3.0, 2.0, 4.0, 20.0], [-9.0, -9.0, -2.0, -1.0], [2.5, 3.5, 2.7, 3.6]])
    layer, _ = crop_layer((3, 4), method)
    assert_close(run_crop(layer, images, boxes), reference(images, boxes, (3, 4), method), TOLERANCE, method)


def test_unknown_number_of_boxes(rng):
    images = rng.normal(size=(1, 2, 6, 9)).astype(np.float32)
    boxes = random_boxes(rng, 4, 6, 9)
    layer, _ = crop_layer((3, 4))
    inputs = {"x": images, "boxes": boxes[:, :, None, None]}
    actual = run_layer(layer, inputs, shapes={"boxes": ("n", 4, 1, 1)})["y"]
    assert_close(actual, reference(images, boxes, (3, 4), "ALIGN_ENDPOINTS_MODE"), TOLERANCE)


@pytest.mark.parametrize(
    ("change", "boxes", "what"),
    [
        ({}, (3, 6, 1, 1), "4 or 5 coordinates"),
        ({}, (3, 4, 2, 1), "4 or 5 coordinates"),
        ({"targetSize": [3]}, (3, 4, 1, 1), "targetSize"),
        ({"targetSize": [3, 2**60]}, (3, 4, 1, 1), "targetSize"),
        ({"targetSize": [2**15, 2**15]}, (3, 4, 1, 1), "GiB"),
        ({"mode": 9}, (3, 4, 1, 1), "sampling mode 9"),
        ({"boxIndicesMode": 9}, (3, 4, 1, 1), "box mode 9"),
    ],
)
def test_impossible_crops(change, boxes, what):
    layer, params = crop_layer(change.get("targetSize", (3, 4)))
    if "mode" in change:
        params.mode.samplingMethod = 9
    if "boxIndicesMode" in change:
        params.boxIndicesMode.boxMode = 9
    with pytest.raises(InvalidModelError, match=what):
        run_layer(layer, {"x": np.zeros((1, 2, 6, 9)), "boxes": np.zeros(boxes)})


def test_exact_mapping_needs_rank_5():
    layer, _ = crop_layer((3, 4))
    with pytest.raises(InvalidModelError, match=r"shape \(1, B, C, H, W\)"):
        run_layer(layer, {"x": np.zeros((1, 2, 6, 9)), "boxes": np.zeros((3, 1, 4, 1, 1))}, rank5=False)
    with pytest.raises(InvalidModelError, match="needs at least 2 inputs"):
        alone, _ = new_layer("cropResize")
        run_layer(alone, {"x": np.zeros((1, 2, 6, 9))})
