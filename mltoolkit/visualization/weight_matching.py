"""Looking at all weights of a model, each beside the same weight of the original."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mltoolkit.errors import MLToolkitError
from mltoolkit.quantization.sqnr import sqnr_db
from mltoolkit.visualization.graph import LayerGraph, Node, WeightView
from mltoolkit.visualization.weight_values import describe_values

if TYPE_CHECKING:
    from mltoolkit.quantization.report import QuantizationReport

# Stages down to the layer, the layer's name, which layer of that name, the weight's name.
_Key = tuple[str, str, int, str]


def look_at_weights(graph: LayerGraph, original: LayerGraph | None, report: QuantizationReport | None) -> int:
    """Fill in what the weights' values are like, and what quantization cost.

    One weight and its original are decoded at a time.

    Args:
        graph: the model's, or that of one of its functions. Of functions that share weights the first comes first.
        original: that of the model before quantization, whose layers have the same names.
        report: what quantization measured, used where there is no original.

    Returns:
        How many weights have an original; one that several layers use counts once.
    """
    originals = {key: weight for key, _, weight in _weights(original)} if original is not None else {}
    measured = _measured(report)
    matched = 0
    for key, _, weight in _weights(graph):
        before = originals.get(key)
        if before is not None and (before.values is None or before.shape != weight.shape):
            before = None
        try:
            _look_at(weight, before)
        except MLToolkitError as error:
            weight.remark = str(error)
            continue
        matched += before is not None and not weight.shared_with
        if weight.sqnr_db is None:
            weight.sqnr_db = measured.get((key[0], key[1], key[3], weight.shape))
        if weight.first is not None and weight.first.sqnr_db is None:
            weight.first.sqnr_db = weight.sqnr_db
    return matched


def _look_at(weight: WeightView, before: WeightView | None) -> None:
    if weight.values is None:
        return
    if before is None and weight.first is not None and weight.first.figures is not None:
        weight.figures, weight.sqnr_db = weight.first.figures, weight.first.sqnr_db
        return
    values = weight.values()
    original = before.values() if before is not None and before.values is not None else None
    if original is not None and original.shape != values.shape:
        original = None
    if values.dtype.kind not in "fiub":
        values = values.astype("float32")  # bfloat16 and the 8-bit floats, which NumPy calculates with slowly
    if original is not None:
        original = original.astype("float32", copy=False)
        weight.sqnr_db = sqnr_db(original, values.astype("float32", copy=False))
    weight.figures = describe_values(values, original)


def _weights(graph: LayerGraph, path: str = "") -> Iterator[tuple[_Key, Node, WeightView]]:
    seen: dict[str, int] = {}
    for node in graph.nodes:
        place = seen[node.name] = seen.get(node.name, -1) + 1
        for weight in node.weights:
            yield (path, node.name, place, weight.name), node, weight
        for index, inner in enumerate(node.graphs):
            if node.kind == "stage":
                yield from _weights(inner, f"{path}/{node.name}" if path else node.name)
            else:
                yield from _weights(inner, f"{path}\0{node.name}\0{index}")


def _measured(report: QuantizationReport | None) -> dict[tuple[str, str, str, tuple[int, ...]], float | None]:
    """The ratios of a report by stage, layer, weight and shape; none where two weights, of two functions, share all."""
    found: dict[tuple[str, str, str, tuple[int, ...]], float | None] = {}
    for record in report.records if report is not None else ():
        key = record.stage, record.layer, record.weight, record.shape
        found[key] = None if key in found else record.sqnr_db
    return found
