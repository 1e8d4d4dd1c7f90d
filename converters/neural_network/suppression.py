"""Non-maximum suppression: of boxes that overlap, the one with the best score.

Source: NeuralNetwork.proto, message NonMaximumSuppressionLayerParams. A box's score is the largest of its
classes, and must be above the threshold; per class, a box belongs to the class of that score and rivals only
others of it. Where no box survives, the one with the best score does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.operands import blob, exact_inputs, single, whole_numbers
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.converters.neural_network.shape_parts import joined, reshaped, sizes_of
from mltoolkit.converters.neural_network.sizes import check_elements, stated_size
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import shape_of


@dataclass(frozen=True)
class _Limits:
    """Vectors of one number: how many boxes to give out, and the overlap and score that reject a box."""

    boxes: ir.Value
    overlap: ir.Value
    score: ir.Value


@converts("NonMaximumSuppression")
def non_maximum_suppression(context: LayerContext, layer: Any) -> None:
    """Boxes (B, N, 4) as centre and size, scores (B, N, C) → the survivors' boxes, scores, indices, count."""
    boxes, scores, *given = exact_inputs(context, 2, 3, 4, 5)
    _check_shapes(context, boxes, scores)
    limits = _limits(context, given, shape_of(scores))
    builder = context.builder
    best = builder.op("ReduceMax", scores, builder.constant([2]), attributes={"keepdims": 0})
    survives = _or_best(context, best, _survivors(context, boxes, scores, best, limits))
    room = builder.op("Min", limits.boxes, sizes_of(context, boxes, 1, 2))
    lowest = builder.constant(float("-inf"))
    ordered = builder.op("Where", survives, best, lowest)
    _, indices = builder.ops("TopK", ordered, room, attributes={"axis": 1}, names=("", ""))
    found = builder.op("ReduceSum", whole_numbers(context, survives), builder.constant([1]), attributes={"keepdims": 1})
    count = builder.op("Min", found, limits.boxes)
    places = _range(context, room)
    filled = builder.op("Less", places, count)
    lacking = builder.op("Sub", limits.boxes, room)
    for index, values in enumerate((boxes, scores)):
        picked = builder.op(
            "GatherND",
            values,
            builder.op("Unsqueeze", indices, builder.constant([2])),
            attributes={"batch_dims": 1},
        )
        shown = builder.op(
            "Where", builder.op("Unsqueeze", filled, builder.constant([2])), picked, builder.constant(0.0)
        )
        pads = joined(context, [0] * 4, lacking, [0])
        context.output(builder.op("Pad", shown, pads, builder.constant(0.0)), index)
    numbers = builder.op("Where", filled, blob(context, indices), builder.constant(-1.0))
    context.output(builder.op("Pad", numbers, joined(context, [0] * 3, lacking), builder.constant(-1.0)), 2)
    context.output(blob(context, builder.op("Squeeze", count, builder.constant([1]))), 3)


def _check_shapes(context: LayerContext, boxes: ir.Value, scores: ir.Value) -> None:
    shapes = shape_of(boxes), shape_of(scores)
    if (
        any(len(shape) != 3 for shape in shapes)
        or shapes[0][2] not in (4, None)
        or any(
            isinstance(one, int) and isinstance(other, int) and one != other
            for one, other in zip(shapes[0][:2], shapes[1][:2], strict=True)
        )
    ):
        raise InvalidModelError(
            f"the layer takes boxes (B, N, 4) and scores (B, N, C) but gets {shapes[0]} and {shapes[1]}",
            where=context.where,
        )


def _limits(context: LayerContext, given: list[ir.Value], shape: tuple[Any, ...]) -> _Limits:
    params = context.params
    builder = context.builder
    numbers = [single(context, value) for value in given]
    stated = params.iouThreshold
    if not numbers and not 0 <= stated <= 1:
        raise InvalidModelError(f"iouThreshold is {stated:g} where a ratio from 0 to 1 is needed", where=context.where)
    overlap, score = (
        numbers[index] if index < len(numbers) else builder.constant(np.array([number], dtype=np.float32))
        for index, number in enumerate((stated, params.scoreThreshold))
    )
    if numbers:
        overlap = builder.op("Clip", overlap, builder.constant(0.0), builder.constant(1.0))
    if len(numbers) == 3:
        boxes = whole_numbers(context, numbers[2])
    else:
        count = stated_size(context, "maxBoxes", params.maxBoxes)
        check_elements(context, [shape[0], count, shape[2], 4])
        boxes = builder.constant([count])
    return _Limits(boxes, overlap, score)


def _survivors(context: LayerContext, boxes: ir.Value, scores: ir.Value, best: ir.Value, limits: _Limits) -> ir.Value:
    """Which boxes are kept, bool (B, N)."""
    builder = context.builder
    if context.params.perClassSuppression:
        of_class = builder.op("ArgMax", scores, attributes={"axis": 2, "keepdims": 1})
        classes = _range(context, sizes_of(context, scores, 2))
        # An infinitely low score is never above the threshold.
        rivals = builder.op("Where", builder.op("Equal", of_class, classes), scores, builder.constant(float("-inf")))
        rivals = builder.op("Transpose", rivals, attributes={"perm": [0, 2, 1]})
    else:
        rivals = builder.op("Unsqueeze", best, builder.constant([1]))
    # Rows of batch, class and box, each box at most once.
    selected = builder.op(
        "NonMaxSuppression",
        boxes,
        rivals,
        limits.boxes,
        limits.overlap,
        limits.score,
        attributes={"center_point_box": 1},
    )
    positions = builder.op("Gather", selected, builder.constant([0, 2]), attributes={"axis": 1})
    none = builder.op("Expand", builder.constant(np.array(False)), sizes_of(context, best))
    marks = builder.op("Expand", builder.constant(np.array(True)), sizes_of(context, selected, 0, 1))
    return builder.op("ScatterND", none, positions, marks)


def _or_best(context: LayerContext, best: ir.Value, survives: ir.Value) -> ir.Value:
    """The survivors, or where there is none the box with the best score."""
    builder = context.builder
    most = builder.op("ReduceMax", blob(context, survives), builder.constant([1]), attributes={"keepdims": 1})
    none = builder.op("Equal", most, builder.constant(0.0))
    first = builder.op("ArgMax", best, attributes={"axis": 1, "keepdims": 1})
    is_first = builder.op("Equal", first, _range(context, sizes_of(context, best, 1)))
    return builder.op("Or", survives, builder.op("And", none, is_first))


def _range(context: LayerContext, count: ir.Value) -> ir.Value:
    """0, 1, …, for a vector of one number."""
    builder = context.builder
    return builder.op("Range", builder.constant(0), reshaped(context, count, []), builder.constant(1))
