"""Non-maximum suppression: of boxes that overlap, the one with the best score.

A box's score is the largest of its classes; per class, a box belongs to the class of that score and rivals
only others of it. Since iOS 17 the boxes come last in every tensor, and there is no threshold of scores;
before, where no box has a score above it, the best one is given out.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.parameters import (
    check_elements,
    check_rank,
    flag,
    real_number,
    whole_number,
)
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.converters.ml_program.sizes import counted, sizes_of
from mltoolkit.errors import InvalidModelError


@converts("non_maximum_suppression")
def convert_non_maximum_suppression(context: MilContext) -> None:
    """Boxes as centre and size, scores → boxes, scores, numbers and (before iOS 17) counts of the survivors.

    iOS 15: boxes [n, B, 4] and scores [n, B, K] → [n, m, 4], [n, m, K], [n, m] and [n] for m = ``max_boxes``.
    iOS 17: boxes [n, 4, B] and scores [n, K, B] → [n, 4, m], [n, K, m] and [n, m]. What is missing to m is
    filled up with zeros, and with −1 for the numbers.
    """
    check_rank(context, "boxes", 3)
    check_rank(context, "scores", 3)
    boxes, scores = context.value("boxes"), context.value("scores")
    boxes_last = not context.has("score_threshold")
    if boxes_last:
        boxes, scores = (context.op("Transpose", value, perm=[0, 2, 1]) for value in (boxes, scores))
    _check_shapes(context, boxes, scores)
    wanted = whole_number(context, "max_boxes", minimum=1)
    check_elements(context, [context.shape(boxes)[0], wanted, context.shape(scores)[2], 4])
    best = context.op("ReduceMax", scores, context.constant([2]), keepdims=0)
    survives = _or_best(context, best, _survivors(context, boxes, scores, best, wanted))
    room = context.op("Min", context.constant([wanted]), sizes_of(context, boxes, 1, 2))
    ordered = context.op("Where", survives, best, context.constant(float("-inf")))
    _, numbers = context.builder.ops("TopK", ordered, room, attributes={"axis": 1}, names=("", ""))
    found = context.op("ReduceSum", context.cast(survives, np.int64), context.constant([1]), keepdims=1)
    found = context.op("Min", found, context.constant([wanted]))
    filled = context.op("Less", counted(context, room), found)
    lacking = context.op("Sub", context.constant([wanted]), room)
    for index, values in enumerate((boxes, scores)):
        shown = _picked(context, values, numbers, filled, lacking)
        context.output(context.op("Transpose", shown, perm=[0, 2, 1]) if boxes_last else shown, index)
    missing = context.constant(-1)
    pads = context.op("Concat", context.constant([0, 0, 0]), lacking, axis=0)
    numbers = context.op("Where", filled, numbers, missing)
    context.output(context.op("Pad", numbers, pads, missing), 2)
    if not boxes_last:
        context.output(context.op("Squeeze", found, context.constant([1])), 3)


def _check_shapes(context: MilContext, boxes: ir.Value, scores: ir.Value) -> None:
    shapes = context.shape(boxes), context.shape(scores)
    if shapes[0][2] not in (4, None) or any(
        isinstance(one, int) and isinstance(other, int) and one != other
        for one, other in zip(shapes[0][:2], shapes[1][:2], strict=True)
    ):
        raise InvalidModelError(
            f"boxes of shape {shapes[0]} do not fit scores of shape {shapes[1]}", where=context.where
        )


def _survivors(context: MilContext, boxes: ir.Value, scores: ir.Value, best: ir.Value, wanted: int) -> ir.Value:
    """Which boxes are kept, bool (n, B)."""
    if flag(context, "per_class_suppression", False):
        of_class = context.op("ArgMax", scores, axis=2, keepdims=1)
        classes = counted(context, sizes_of(context, scores, 2))
        # No box is kept for an infinitely low score.
        lowest = context.constant(float("-inf"))
        rivals = context.op("Where", context.op("Equal", of_class, classes), scores, lowest)
        rivals = context.op("Transpose", rivals, perm=[0, 2, 1])
    else:
        rivals = context.op("Unsqueeze", best, context.constant([1]))
    overlap = min(max(real_number(context, "iou_threshold"), 0.0), 1.0)
    threshold = np.finfo(np.float32).min
    if context.has("score_threshold"):
        threshold = np.float32(real_number(context, "score_threshold"))
    # Rows of batch, class and box, each box at most once.
    selected = context.op(
        "NonMaxSuppression",
        boxes,
        rivals,
        context.constant([wanted]),
        context.constant(np.array([overlap], dtype=np.float32)),
        context.constant(np.array([threshold], dtype=np.float32)),
        center_point_box=1,
    )
    rows = context.op("Gather", selected, context.constant([0, 2]), axis=1)
    none = context.op("Expand", context.constant(np.array(False)), sizes_of(context, best))
    marks = context.op("Expand", context.constant(np.array(True)), sizes_of(context, selected, 0, 1))
    return context.op("ScatterND", none, rows, marks)


def _or_best(context: MilContext, best: ir.Value, survives: ir.Value) -> ir.Value:
    """The survivors, or where there is none the box with the best score."""
    most = context.op("ReduceMax", context.cast(survives, np.int64), context.constant([1]), keepdims=1)
    none = context.op("Equal", most, context.constant(0))
    first = context.op("ArgMax", best, axis=1, keepdims=1)
    is_first = context.op("Equal", first, counted(context, sizes_of(context, best, 1)))
    return context.op("Or", survives, context.op("And", none, is_first))


def _picked(context: MilContext, values: ir.Value, numbers: ir.Value, filled: ir.Value, lacking: ir.Value) -> ir.Value:
    """The survivors' rows of (n, B, …), zeros behind them."""
    behind = context.constant([2])
    rows = context.op("GatherND", values, context.op("Unsqueeze", numbers, behind), batch_dims=1)
    shown = context.op("Where", context.op("Unsqueeze", filled, behind), rows, context.constant(0.0))
    none = context.constant([0])
    pads = context.op("Concat", context.constant([0, 0, 0, 0]), lacking, none, axis=0)
    return context.op("Pad", shown, pads, context.constant(0.0))
