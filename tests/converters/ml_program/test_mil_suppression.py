"""Non-maximum suppression against a greedy loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mil_runs import check_one, run_one

from mltoolkit.errors import InvalidModelError

RNG = np.random.default_rng(18)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of boxes given as centre x, centre y, width, height."""
    low = np.maximum(a[:2] - a[2:] / 2, b[:2] - b[2:] / 2)
    high = np.minimum(a[:2] + a[2:] / 2, b[:2] + b[2:] / 2)
    shared = np.prod(np.maximum(high - low, 0))
    return float(shared / (np.prod(a[2:]) + np.prod(b[2:]) - shared))


def kept(boxes: np.ndarray, scores: np.ndarray, iou: float, least: float, most: int, by_class: bool) -> list[int]:
    best, classes = scores.max(axis=1), scores.argmax(axis=1)
    found: list[int] = []
    for index in np.argsort(-best, kind="stable"):
        rivals = [other for other in found if not by_class or classes[other] == classes[index]]
        if best[index] > least and all(overlap(boxes[index], boxes[other]) <= iou for other in rivals):
            found.append(int(index))
    return found[:most]


@pytest.mark.parametrize("by_class", [True, False])
@pytest.mark.parametrize(("iou", "least"), [(0.2, 0.3), (0.5, -1.0), (0.9, 0.6), (0.3, 2.0)])
@pytest.mark.parametrize("most", [3, 30])
@pytest.mark.parametrize("newer", [True, False])
def test_boxes_kept(by_class: bool, iou: float, least: float, most: int, newer: bool) -> None:
    boxes = RNG.uniform(0.2, 1, size=(2, 20, 4)).astype(np.float32)
    scores = RNG.uniform(size=(2, 20, 3)).astype(np.float32)
    shown, shown_scores = np.zeros((2, most, 4), np.float32), np.zeros((2, most, 3), np.float32)
    numbers, counts = np.full((2, most), -1, np.int32), np.zeros(2, np.int32)
    for image in range(2):
        lowest = -np.inf if newer else least
        found = kept(boxes[image], scores[image], iou, lowest, most, by_class)
        found = found or [int(scores[image].max(axis=1).argmax())]
        counts[image] = len(found)
        numbers[image, : len(found)] = found
        shown[image, : len(found)] = boxes[image, found]
        shown_scores[image, : len(found)] = scores[image, found]
    constants = {"iou_threshold": np.float32(iou), "max_boxes": np.int32(most)}
    constants |= {"per_class_suppression": np.bool_(by_class)}
    kind = "non_maximum_suppression"
    if newer:
        arrays = {"boxes": boxes.transpose(0, 2, 1), "scores": scores.transpose(0, 2, 1)}
        expected = [shown.transpose(0, 2, 1), shown_scores.transpose(0, 2, 1), numbers]
        check_one(kind, arrays, constants, *expected)
        return
    constants |= {"score_threshold": np.float32(least)}
    arrays = {"boxes": boxes, "scores": scores}
    check_one(kind, arrays, constants, shown, shown_scores, numbers, counts)


@pytest.mark.parametrize(
    ("boxes", "scores", "change"),
    [
        ((2, 20, 5), (2, 20, 3), {}),
        ((2, 20, 4), (2, 19, 3), {}),
        ((20, 4), (2, 20, 3), {}),
        ((2, 20, 4), (2, 20, 3), {"max_boxes": np.int32(0)}),
        ((2, 20, 4), (2, 20, 3), {"max_boxes": np.int32(2**31 - 1)}),
        ((2, 20, 4), (2, 20, 3), {"iou_threshold": np.float32(np.nan)}),
    ],
)
def test_what_does_not_fit_is_refused(boxes: Any, scores: Any, change: dict[str, Any]) -> None:
    constants = {"iou_threshold": np.float32(0.5), "score_threshold": np.float32(0), "max_boxes": np.int32(3)}
    arrays = {"boxes": np.ones(boxes, np.float32), "scores": np.ones(scores, np.float32)}
    outputs = [np.zeros(shape, np.float32) for shape in ((2, 3, 4), (2, 3, 3))]
    with pytest.raises(InvalidModelError):
        run_one(
            "non_maximum_suppression",
            arrays,
            constants | change,
            *outputs,
            np.zeros((2, 3), np.int32),
            np.zeros(2, np.int32),
        )
