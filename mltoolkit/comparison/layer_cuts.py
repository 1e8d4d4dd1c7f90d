"""A graph cut at the outputs of layers: each is computed from the nearest ones before it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mltoolkit.comparison.layer_values import LayerValue
from mltoolkit.runtime.segment import Segment

if TYPE_CHECKING:
    import onnx_ir as ir

    from mltoolkit.formats.weight_blob import WeightFolder
    from mltoolkit.graph.model_graph import ModelGraph


class CutGraph:
    """A graph cut at some of its values.

    A value that several layers give (one of them changes nothing) is, for a later layer, the last of those before it.
    The outputs of one layer are not computed from one another.

    Args:
        graph: the graph.
        cuts: where to cut; all are held by a value.
        files: weight files that the graph's constants may be views of.

    Attributes:
        segments: for each cut what computes it.
        sources: for each cut, which cuts its segment reads, by the name of the value; what is not there is an input of
            the graph.
    """

    def __init__(self, graph: ModelGraph, cuts: Sequence[LayerValue], files: WeightFolder | None) -> None:
        self._cuts = cuts
        by_name = {value.name or "": value for value in graph.model.graph.inputs}
        by_name.update((value.name or "", value) for node in graph.model.graph for value in node.outputs)
        self._holders: dict[str, list[int]] = defaultdict(list)
        for place in sorted(range(len(cuts)), key=lambda place: cuts[place].number):
            self._holders[cuts[place].value].append(place)
        self.segments: list[Segment] = []
        self.sources: list[dict[str, int]] = []
        for place, cut in enumerate(cuts):
            found: dict[str, int] = {}

            def given(value: ir.Value, place: int = place, found: dict[str, int] = found) -> bool:
                source = self._source(value.name or "", place)
                if source is None:
                    return False
                found[value.name or ""] = source
                return True

            segment = Segment(graph, by_name[cut.value], given, files=files)
            self.segments.append(segment)
            self.sources.append({name: source for name, source in found.items() if name in segment.reads})

    def _source(self, name: str, place: int) -> int | None:
        """Which cut a value is for the segment of another; None where the way goes on behind it."""
        cut = self._cuts[place]
        others = [other for other in self._holders.get(name, ()) if self._cuts[other].number != cut.number]
        before = [other for other in others if self._cuts[other].number < cut.number]
        if before:
            return before[-1]
        return None if name == cut.value or not others else others[0]
