"""Which constant of the hub each weight of a file became.

Converters rearrange weights: matrices are transposed, gates of recurrent layers stacked. Where a weight went, and in
which order its numbers stand there, is found by comparing the numbers, among the nodes of the weight's own layer first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.calibration.layouts import Fingerprint, Layout, find_layouts, fingerprint
from mltoolkit.calibration.operands import Operand, iter_operands
from mltoolkit.graph.captured import inner_nodes
from mltoolkit.quantization.slots import WeightSlot

Array = NDArray[Any]
Values = Callable[[WeightSlot], NDArray[np.float32]]
_TABLES_WITH_BIAS = ("embedding", "embeddingND")


@dataclass(frozen=True)
class Match:
    """A weight and the constant that it became.

    Attributes:
        slot: the weight.
        operand: the constant, or the part of one.
        layout: the order of the numbers there.
        added: what was added to the weight before, in the file's shape; None for nothing.
    """

    slot: WeightSlot
    operand: Operand
    layout: Layout
    added: NDArray[np.float32] | None = None


def match_slots(graph: ir.Graph, slots: Sequence[WeightSlot], values: Values) -> tuple[list[Match], dict[int, str]]:
    """The matches; and by the index of each other slot, why it has none."""
    by_print: dict[Fingerprint, list[Operand]] = defaultdict(list)
    for operand in iter_operands(graph):
        by_print[fingerprint(operand.values())].append(operand)
    matches, reasons = [], {}
    for slot in slots:
        found = _match(slot, slots, values, by_print)
        if isinstance(found, Match):
            matches.append(found)
        else:
            reasons[slot.index] = found
    if reasons:
        _explain(graph, slots, values, reasons)
    return matches, reasons


_NOWHERE = "no product with its numbers is in the graph"


def _match(
    slot: WeightSlot, slots: Sequence[WeightSlot], values: Values, by_print: dict[Fingerprint, list[Operand]]
) -> Match | str:
    if slot.role != "weight":
        return f"a {slot.role} is not multiplied with anything that varies"
    stored, added = values(slot), None
    operands = by_print.get(fingerprint(stored), [])
    if not operands and slot.layer_type in _TABLES_WITH_BIAS:
        added = _bias_of(slot, slots, values)
        if added is not None:
            stored = stored + added
            operands = by_print.get(fingerprint(stored), [])
    matches = []
    for operand in operands:
        layouts = find_layouts(stored, operand.values(), exchange=operand.exchange, blocks=operand.blocks)
        if layouts:
            matches.append((operand, layouts))
    own = [match for match in matches if _belongs(match[0], slot)] or matches
    if not own:
        return _NOWHERE
    operand, layouts = own[0]
    if len({use.node for use in operand.constant.uses()}) > 1:
        return "several operations use it"
    if len(own) > 1:
        return f"its numbers are found in {len(own)} places"
    if len(layouts) > 1:
        return "its numbers fit in more than one order"
    return Match(slot, operand, layouts[0], added)


def _belongs(operand: Operand, slot: WeightSlot) -> bool:
    """Whether a node was made for the slot's layer, or the constant for the slot."""
    names = (slot.layer, *slot.aliases)
    return operand.node.metadata_props.get("layer") in names or operand.constant.name in names


def _bias_of(slot: WeightSlot, slots: Sequence[WeightSlot], values: Values) -> NDArray[np.float32] | None:
    """The bias of the same layer, for adding to a weight of (outputs, …)."""
    for other in slots:
        if other.layer_index == slot.layer_index and other.role == "bias":
            return values(other).reshape(-1, *[1] * (len(slot.shape) - 1))
    return None


def _explain(graph: ir.Graph, slots: Sequence[WeightSlot], values: Values, reasons: dict[int, str]) -> None:
    """Say so where a weight without a place is used inside a branch, a loop or a Scan."""
    inside = {
        fingerprint(np.asarray(value.const_value.numpy()))
        for node in graph
        for inner in inner_nodes(node)
        for value in inner.inputs
        if value is not None and value.const_value is not None and value.const_value.dtype == ir.DataType.FLOAT
    }
    if not inside:
        return
    for slot in slots:
        if reasons.get(slot.index) == _NOWHERE and fingerprint(values(slot)) in inside:
            reasons[slot.index] = "it is used inside a branch or loop"
