"""Non-maximum suppression of boxes (NonMaximumSuppression.proto)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import InputError, InvalidModelError, did_you_mean
from mltoolkit.formats.features import ArrayFeature, Feature, Interface, ScalarFeature
from mltoolkit.formats.size_limits import MAX_ELEMENTS
from mltoolkit.runtime.classical.base import Transformer
from mltoolkit.runtime.classical.registry import predicts

Floats = NDArray[np.float64]


@predicts("nonMaximumSuppression")
class NonMaximumSuppression(Transformer):
    """Keeps the boxes that no box of higher confidence overlaps by more than a threshold.

    A box's confidence is the largest of its classes. Boxes below the confidence threshold are left out; of
    the others, the most confident is kept and those that overlap it (intersection over union above the
    threshold) are left out, and so on; with ``perClass`` only boxes of the same class are. The boxes come
    out by falling confidence, as many as the outputs' shapes allow, filled up with zeros to as many as
    these demand.
    """

    def __init__(self, spec: Any, interface: Interface) -> None:
        super().__init__(spec, interface)
        p = self.parameters
        if p.WhichOneof("SuppressionMethod") is None:
            raise InvalidModelError("the suppression has no method")
        if not 0 <= p.iouThreshold <= 1 or not p.confidenceThreshold >= 0:
            raise InvalidModelError(
                f"the thresholds {p.iouThreshold} (overlap) and {p.confidenceThreshold} (confidence) "
                "lie outside their ranges"
            )
        self._per_class = bool(p.pickTop.perClass)
        self._find(interface.inputs, "input", p.confidenceInputFeatureName, ArrayFeature)
        self._find(interface.inputs, "input", p.coordinatesInputFeatureName, ArrayFeature)
        for name in (p.iouThresholdInputFeatureName, p.confidenceThresholdInputFeatureName):
            if name and any(feature.name == name for feature in interface.inputs):
                self._find(interface.inputs, "input", name, ScalarFeature)
        outputs = [
            self._find(interface.outputs, "output", name, ArrayFeature)
            for name in (p.confidenceOutputFeatureName, p.coordinatesOutputFeatureName)
        ]
        if len(interface.outputs) != 2 or outputs[0] is outputs[1]:
            raise InvalidModelError("the outputs are the kept confidences and coordinates, and no others")
        self._rows = [_allowed_rows(output) for output in outputs]
        which = p.WhichOneof("ClassLabels")
        self._classes = 0 if which is None else len(getattr(p, which).vector)

    @staticmethod
    def _find(features: tuple[Feature, ...], side: str, name: str, kind: type[Feature]) -> Feature:
        by_name = {feature.name: feature for feature in features}
        if name not in by_name:
            raise InvalidModelError(
                f"the suppression's {side} {name!r} is not described", fix=did_you_mean(name, by_name)
            )
        if not isinstance(by_name[name], kind):
            raise InvalidModelError(
                f"the suppression takes {'an array' if kind is ArrayFeature else 'a number'} here",
                where=f"{side} {name!r}",
            )
        return by_name[name]

    def transform(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The kept confidences (boxes, classes) and coordinates (boxes, 4)."""
        p = self.parameters
        confidence = self._table(values, p.confidenceInputFeatureName, self._classes)
        boxes = self._table(values, p.coordinatesInputFeatureName, 4)
        if len(confidence) != len(boxes):
            raise InputError(f"{len(confidence)} rows of confidences stand for {len(boxes)} boxes")
        overlap = self._threshold(values, p.iouThresholdInputFeatureName, p.iouThreshold)
        least = self._threshold(values, p.confidenceThresholdInputFeatureName, p.confidenceThreshold)
        limit = min((upper for _, upper in self._rows if upper is not None), default=None)
        kept = self._kept(confidence, boxes, overlap, least)[:limit]
        rows = max(len(kept), *(lower for lower, _ in self._rows))
        made = {}
        for name, table in (
            (p.confidenceOutputFeatureName, confidence),
            (p.coordinatesOutputFeatureName, boxes),
        ):
            filled = np.zeros((rows, table.shape[1]))
            filled[: len(kept)] = table[kept]
            made[name] = filled
        return made

    def _table(self, values: Mapping[str, Any], name: str, columns: int) -> Floats:
        where = f"input {name!r}"
        array = values[name]
        if array is None:
            raise InputError("no value is given", where=where, fix="Add it to the dictionary")
        table = np.asarray(array, dtype=np.float64)
        if table.ndim > 2:
            table = table.reshape(-1, table.shape[-1]) if table.size == np.prod(table.shape[-2:]) else table
        if table.ndim != 2 or (columns and table.shape[1] != columns):
            raise InputError(
                f"the array has shape {np.shape(array)}, where (boxes, {columns or 'classes'}) is taken",
                where=where,
            )
        return table

    def _threshold(self, values: Mapping[str, Any], name: str, default: float) -> float:
        given = values.get(name) if name else None
        return float(default if given is None else given)

    def _kept(self, confidence: Floats, boxes: Floats, overlap: float, least: float) -> NDArray[np.int64]:
        """The rows to keep, by falling confidence; of equal ones the first comes first."""
        best = confidence.max(axis=1)
        order = np.argsort(-best, kind="stable")
        order = order[best[order] >= least]
        labels = confidence.argmax(axis=1)
        kept: list[int] = []
        while order.size:
            top, rest = order[0], order[1:]
            kept.append(int(top))
            near = _overlaps(boxes[top], boxes[rest]) > overlap
            if self._per_class:
                near &= labels[rest] == labels[top]
            order = rest[~near]
        return np.array(kept, dtype=np.int64)


def _overlaps(box: Floats, others: Floats) -> Floats:
    """Intersection over union of one box (centre x and y, width, height) with each other one (boxes,)."""
    low = np.maximum(box[:2] - box[2:] / 2, others[:, :2] - others[:, 2:] / 2)
    high = np.minimum(box[:2] + box[2:] / 2, others[:, :2] + others[:, 2:] / 2)
    shared = np.prod(np.maximum(high - low, 0.0), axis=1)
    union = box[2] * box[3] + others[:, 2] * others[:, 3] - shared
    made: Floats = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return made


def _allowed_rows(feature: Feature) -> tuple[int, int | None]:
    """The least and the greatest number of rows that an output may have."""
    assert isinstance(feature, ArrayFeature)  # as _find saw to
    if feature.ranges:
        rows = feature.ranges[0]
        if not 0 <= rows.lower <= MAX_ELEMENTS >> 8:
            raise InvalidModelError(f"the description demands {rows.lower:,} boxes", where=f"output {feature.name!r}")
        return rows.lower, rows.upper
    if len(feature.shape) == 2 and feature.shape[0]:
        return feature.shape[0], feature.shape[0]
    return 0, None
