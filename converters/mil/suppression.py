"""NonMaxSuppression: of boxes that overlap, the one with the best score, for each class of each image.

MIL's operation gives one list of boxes an image, filled up to a fixed length. Every class becomes an image of its own,
and what fills up, or has too low a score, is left out afterwards: a box of lower score never suppresses a better one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mltoolkit.converters.mil.registry import writes
from mltoolkit.converters.mil.sizes import known_shape

if TYPE_CHECKING:
    from mltoolkit.converters.mil.context import NodeContext

_IOS17 = 8
# A threshold that no score is below, in either precision.
_LOWEST = {"float32": float(np.finfo(np.float32).min), "float16": float(np.finfo(np.float16).min)}


@writes("NonMaxSuppression")
def write_suppression(node: NodeContext) -> Any:
    """Boxes [N, B, 4] and scores [N, C, B] → rows of image, class and box, best scores of a class first."""
    mb = node.mb
    images, classes, count = known_shape(node, node.input(1), "NonMaxSuppression")
    most = int(node.needed_constant(2, "max_output_boxes_per_class").reshape(-1)[0]) if node.has(2) else 0
    if most < 1:
        node.refuse("it selects no boxes", "max_output_boxes_per_class of 1 or more")
    overlap = float(node.needed_constant(3, "iou_threshold").reshape(-1)[0]) if node.has(3) else 0.0
    lists, most = images * classes, min(most, count)
    boxes = _centred(node, node.input(0), images, classes, count)
    scores = mb.reshape(x=node.input(1), shape=[lists, count])
    numbers = _kept(node, boxes, scores, (lists, count), overlap, most)
    chosen = mb.greater_equal(x=numbers, y=np.int32(0))
    if node.has(4):
        threshold = node.constant(4)
        least: Any = node.input(4) if threshold is None else np.float32(threshold.reshape(-1)[0])
        places = mb.maximum(x=numbers, y=np.int32(0))
        above = mb.greater(x=mb.gather_along_axis(x=scores, indices=places, axis=1), y=least)
        chosen = mb.logical_and(x=chosen, y=above)
    found = mb.non_zero(x=chosen)
    box = mb.expand_dims(x=mb.gather_nd(x=numbers, indices=found), axes=[1])
    of_list = mb.slice_by_index(x=found, begin=[0, 0], end=[0, 1], end_mask=[True, False])
    image = mb.floor_div(x=of_list, y=np.int32(classes))
    of_class = mb.sub(x=of_list, y=mb.mul(x=image, y=np.int32(classes)))
    return mb.concat(values=[image, of_class, box], axis=1)


def _centred(node: NodeContext, boxes: Any, images: int, classes: int, count: int) -> Any:
    """The boxes of every class as centre and size, widths first: [N · C, B, 4]."""
    mb = node.mb
    if not node.attribute("center_point_box", 0):
        # Two opposite corners (y, x), in whatever order.
        first = mb.slice_by_index(x=boxes, begin=[0, 0, 0], end=[images, count, 2])
        second = mb.slice_by_index(x=boxes, begin=[0, 0, 2], end=[images, count, 4])
        centre = mb.mul(x=mb.add(x=first, y=second), y=np.float32(0.5))
        size = mb.abs(x=mb.sub(x=second, y=first))
        boxes = mb.concat(values=[mb.reverse(x=centre, axes=[2]), mb.reverse(x=size, axes=[2])], axis=2)
    if classes > 1:
        repeated = mb.tile(x=mb.expand_dims(x=boxes, axes=[1]), reps=[1, classes, 1, 1])
        boxes = mb.reshape(x=repeated, shape=[images * classes, count, 4])
    return boxes


def _kept(node: NodeContext, boxes: Any, scores: Any, sizes: tuple[int, int], overlap: float, most: int) -> Any:
    """The numbers of the boxes that are kept, −1 behind them: [N · C, most]."""
    mb = node.mb
    lists, count = sizes
    given: dict[str, Any] = {"iou_threshold": np.float32(overlap), "max_boxes": most}
    if node.opset >= _IOS17:
        ranked = mb.reshape(x=scores, shape=[lists, 1, count])
        return mb.non_maximum_suppression(boxes=mb.transpose(x=boxes, perm=[0, 2, 1]), scores=ranked, **given)[2]
    ranked, lowest = mb.reshape(x=scores, shape=[lists, count, 1]), np.float32(_LOWEST[node.precision])
    return mb.non_maximum_suppression(boxes=boxes, scores=ranked, score_threshold=lowest, **given)[2]
