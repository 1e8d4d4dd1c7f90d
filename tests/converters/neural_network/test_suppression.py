"""Non-maximum suppression against a loop over boxes; exact, since the layer only copies what survives.

Boxes are drawn so that no overlap lies near the threshold, where rounding would decide.
"""

from __future__ import annotations

import numpy as np
import pytest
from running import assert_close, new_layer, run_layer

from mltoolkit.errors import InvalidModelError

OUTPUTS = ("boxes_out", "scores_out", "indices", "count")


def nms_layer(overlap=0.5, score=0.0, most=3, per_class=False, given=0):
    names = ["overlap", "score", "most"][:given]
    layer, params = new_layer("NonMaximumSuppression", ["boxes", "scores", *names], OUTPUTS)
    params.iouThreshold, params.scoreThreshold, params.maxBoxes = overlap, score, most
    params.perClassSuppression = per_class
    numbers = {"overlap": overlap, "score": score, "most": most}
    return layer, {name: np.array([numbers[name]]) for name in names}


def overlap_of(one, other):
    """Intersection over union of two boxes given by centre and size."""
    sides = [
        max(
            0.0,
            min(one[i] + one[i + 2] / 2, other[i] + other[i + 2] / 2)
            - max(one[i] - one[i + 2] / 2, other[i] - other[i + 2] / 2),
        )
        for i in (0, 1)
    ]
    shared = sides[0] * sides[1]
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)


def survivors(boxes, scores, overlap, score, most, per_class):
    """Indices of the boxes of one batch, best first."""
    best, classes = scores.max(axis=1), scores.argmax(axis=1)
    kept = []
    for index in np.argsort(-best, kind="stable"):
        rivals = [other for other in kept if not per_class or classes[other] == classes[index]]
        if best[index] > score and all(overlap_of(boxes[index], boxes[other]) <= overlap for other in rivals):
            kept.append(int(index))
    return kept[:most] or [int(best.argmax())]


def expected_outputs(boxes, scores, overlap, score, most, per_class):
    batch, _, classes = scores.shape
    found = (
        np.zeros((batch, most, 4)),
        np.zeros((batch, most, classes)),
        -np.ones((batch, most)),
        np.zeros(batch),
    )
    for b in range(batch):
        kept = survivors(boxes[b], scores[b], overlap, score, most, per_class)
        found[0][b, : len(kept)] = boxes[b, kept]
        found[1][b, : len(kept)] = scores[b, kept]
        found[2][b, : len(kept)] = kept
        found[3][b] = len(kept)
    return dict(zip(OUTPUTS, found, strict=True))


def random_boxes(rng, batch, count, overlap):
    """Boxes of which none overlap by just the threshold."""
    while True:
        boxes = np.concatenate(
            [rng.uniform(0, 4, (batch, count, 2)), rng.uniform(1, 3, (batch, count, 2))], axis=2
        ).astype(np.float32)
        shares = [overlap_of(one, other) for rows in boxes for one in rows for other in rows]
        if np.abs(np.array(shares) - overlap).min() > 1e-4:
            return boxes


@pytest.mark.parametrize("batch", [2])
@pytest.mark.parametrize("classes", [1, 4])
@pytest.mark.parametrize("per_class", [False, True])
@pytest.mark.parametrize(("count", "most"), [(1, 3), (12, 4), (12, 20)])
@pytest.mark.parametrize("score", [-1.0, 0.7, 2.0])
def test_outputs(rng, batch, classes, per_class, count, most, score):
    overlap = 0.3
    boxes = random_boxes(rng, batch, count, overlap)
    scores = rng.permutation(batch * count * classes).reshape(batch, count, classes) / 40
    scores = scores.astype(np.float32)
    expected = expected_outputs(boxes, scores, overlap, np.float32(score), most, per_class)
    for given, shapes in (
        (0, None),
        (1, None),
        (3, None),
        (0, {"boxes": (None,) * 3, "scores": (None,) * 3}),
    ):
        layer, limits = nms_layer(overlap, score, most, per_class, given)
        results = run_layer(layer, {"boxes": boxes, "scores": scores} | limits, False, shapes=shapes)
        for name in OUTPUTS:
            assert_close(results[name], expected[name], 0, f"{name}, {given} limits given")


def test_the_cases_are_not_all_alike(rng):
    boxes = random_boxes(rng, 1, 12, 0.3)[0]
    scores = rng.random((12, 4)).astype(np.float32)
    plain, per_class = (survivors(boxes, scores, 0.3, 0.5, 12, flag) for flag in (False, True))
    assert 1 < len(plain) < len(per_class) < 12


@pytest.mark.parametrize(
    ("boxes", "scores"),
    [((2, 5, 4), (2, 6, 3)), ((2, 5, 5), (2, 5, 3)), ((5, 4), (5, 3)), ((1, 5, 4), (2, 5, 3))],
)
def test_shapes_that_do_not_fit(boxes, scores):
    layer, _ = nms_layer()
    with pytest.raises(InvalidModelError, match=r"takes boxes \(B, N, 4\)"):
        run_layer(layer, {"boxes": np.ones(boxes), "scores": np.ones(scores)}, False)


@pytest.mark.parametrize(
    "options", [{"overlap": 1.5}, {"overlap": float("nan")}, {"most": 0}, {"most": 2**40}, {"most": 2**30}]
)
def test_impossible_limits(options):
    layer, _ = nms_layer(**options)
    with pytest.raises(InvalidModelError, match=r"iouThreshold|maxBoxes|GiB"):
        run_layer(layer, {"boxes": np.ones((1, 5, 4)), "scores": np.ones((1, 5, 1))}, False)
