"""Non-maximum suppression against the proto's five steps, written out box by box."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from classical_specs import predict, suppression

from mltoolkit.errors import InputError, InvalidModelError


def overlap(a: Any, b: Any) -> float:
    sides = [
        max(
            0.0,
            min(a[axis] + a[axis + 2] / 2, b[axis] + b[axis + 2] / 2)
            - max(a[axis] - a[axis + 2] / 2, b[axis] - b[axis + 2] / 2),
        )
        for axis in (0, 1)
    ]
    shared = sides[0] * sides[1]
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


def reference(confidence: Any, boxes: Any, most: float, least: float, per_class: bool) -> list[int]:
    """The rows to keep."""
    waiting = [row for row in range(len(boxes)) if max(confidence[row]) >= least]
    waiting.sort(key=lambda row: -max(confidence[row]))
    kept: list[int] = []
    for row in waiting:
        if all(
            overlap(boxes[row], boxes[other]) <= most
            or (per_class and np.argmax(confidence[row]) != np.argmax(confidence[other]))
            for other in kept
        ):
            kept.append(row)
    return kept


def scene(seed: int, count: int = 40) -> tuple[Any, Any]:
    generator = np.random.default_rng(seed)
    boxes = np.concatenate([generator.uniform(0, 1, (count, 2)), generator.uniform(0.1, 0.5, (count, 2))], axis=1)
    return generator.dirichlet([1, 1, 1], count)[:, :2], boxes


def open_spec() -> Any:
    spec, _ = suppression()
    for feature in list(spec.description.input)[:2]:
        del feature.type.multiArrayType.shape[:]
    return spec


@pytest.mark.parametrize("per_class", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_kept_boxes_are_those_of_the_five_steps(seed: int, per_class: bool) -> None:
    confidence, boxes = scene(seed)
    spec = open_spec()
    spec.nonMaximumSuppression.pickTop.perClass = per_class
    kept = reference(confidence, boxes, 0.3, 0.4, per_class)
    assert 0 < len(kept) < 40
    made = predict(spec, {"confidence": confidence, "boxes": boxes, "overlap": 0.3, "least": 0.4})
    np.testing.assert_array_equal(made["kept confidence"], confidence[kept])
    np.testing.assert_array_equal(made["kept boxes"], boxes[kept])


def test_thresholds_of_the_model_are_used_where_none_are_given() -> None:
    spec, inputs = suppression()
    made = predict(spec, inputs)
    # The second box suppresses the first; the third is of another class, the fourth not confident enough.
    np.testing.assert_array_equal(made["kept confidence"], inputs["confidence"][[1, 2]])
    np.testing.assert_array_equal(made["kept boxes"], inputs["boxes"][[1, 2]])
    everything = predict(spec, inputs | {"overlap": 1.0, "least": 0.0})
    np.testing.assert_array_equal(everything["kept boxes"], inputs["boxes"][[1, 2, 0, 3]])


def test_described_shapes_fill_up_and_cut_off() -> None:
    spec, inputs = suppression()
    outputs = spec.description.output
    outputs[0].type.multiArrayType.shape.extend([3, 2])
    made = predict(spec, inputs)
    assert made["kept confidence"].shape == (3, 2)
    np.testing.assert_array_equal(made["kept boxes"][2], np.zeros(4))
    outputs[0].type.multiArrayType.shape[0] = 1
    np.testing.assert_array_equal(predict(spec, inputs)["kept boxes"], inputs["boxes"][[1]])
    del outputs[0].type.multiArrayType.shape[:]
    for lower, upper in ((0, 1), (2, 2)):
        rows = outputs[0].type.multiArrayType.shapeRange.sizeRanges.add()
        rows.lowerBound, rows.upperBound = lower, upper
    assert predict(spec, inputs)["kept boxes"].shape == (1, 4)


def test_nothing_may_be_left() -> None:
    spec, inputs = suppression()
    assert predict(spec, inputs | {"least": 2.0})["kept boxes"].shape == (0, 4)


def test_inputs_that_do_not_fit_are_refused() -> None:
    spec, (confidence, boxes) = open_spec(), scene(0)
    for given, message in (
        ({"confidence": confidence, "boxes": boxes[:3]}, "40 rows of confidences stand for 3 boxes"),
        ({"confidence": confidence, "boxes": boxes[:, :3]}, r"\(boxes, 4\)"),
        ({"confidence": confidence[:, :1], "boxes": boxes}, r"\(boxes, 2\)"),
        ({"confidence": confidence}, "no value is given"),
    ):
        with pytest.raises(InputError, match=message):
            predict(spec, given)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda nms: nms.ClearField("pickTop"), "no method"),
        (lambda nms: setattr(nms, "iouThreshold", 1.5), "thresholds"),
        (lambda nms: setattr(nms, "confidenceThreshold", -0.1), "thresholds"),
        (lambda nms: setattr(nms, "confidenceThreshold", float("nan")), "thresholds"),
        (lambda nms: setattr(nms, "confidenceInputFeatureName", "confidense"), "Did you mean 'confidence'"),
        (lambda nms: setattr(nms, "coordinatesInputFeatureName", "overlap"), "takes an array"),
        (lambda nms: setattr(nms, "coordinatesOutputFeatureName", "kept confidence"), "no others"),
    ],
)
def test_bad_models_are_refused(change: Any, message: str) -> None:
    spec, inputs = suppression()
    change(spec.nonMaximumSuppression)
    with pytest.raises(InvalidModelError, match=message):
        predict(spec, inputs)


def test_absurd_numbers_of_boxes_are_refused() -> None:
    spec, inputs = suppression()
    for lower in (2**60, 4):
        rows = spec.description.output[0].type.multiArrayType.shapeRange.sizeRanges.add()
        rows.lowerBound, rows.upperBound = lower, -1
    with pytest.raises(InvalidModelError, match="boxes"):
        predict(spec, inputs)
