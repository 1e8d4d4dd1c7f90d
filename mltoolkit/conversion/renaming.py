"""Other names for the inputs and outputs of a source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from mltoolkit.conversion.imported import Arrays, Reference
from mltoolkit.converters.source_model import SourceModel
from mltoolkit.errors import ArgumentError, did_you_mean
from mltoolkit.graph.model_graph import GraphLayer


def rename(source: SourceModel, names: Mapping[str, str]) -> None:
    """Give inputs and outputs of the hub other names, in place; a value inside that has one makes way.

    Args:
        source: the model.
        names: old name → new name.

    Raises:
        ArgumentError: there is no such input or output, or two would have one name.
    """
    graph = source.model.graph
    ends = {value.name or "": value for value in (*graph.inputs, *graph.outputs)}
    for old in names:
        if old not in ends:
            raise ArgumentError(f"the source has no input or output {old!r}", fix=did_you_mean(old, ends))
    final = [names.get(name, name) for name in ends]
    twice = next((name for name in final if final.count(name) > 1), None)
    if twice is not None:
        raise ArgumentError(f"two inputs or outputs would be called {twice!r}", fix="Give each a name of its own")
    wanted = set(names.values())
    for node in graph:
        for value in node.outputs:
            if value.name in wanted and value.name not in ends:
                value.name = f"{value.name}__inside"
    for value in graph.initializers.values():
        if value.name in wanted and value.name not in ends:
            value.name = f"{value.name}__inside"
    for old, value in ends.items():
        if old in names:
            value.name = names[old]


class RenamedReference:
    """Runs a source by its new names.

    Args:
        reference: runs it by the old ones.
        names: old name → new name.
    """

    def __init__(self, reference: Reference, names: Mapping[str, str]) -> None:
        self._reference = reference
        self._new = dict(names)
        self._old = {new: old for old, new in names.items()}

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> Arrays:
        """The outputs by their new names."""
        return {self._new.get(name, name): array for name, array in self._reference.run(self._old_names(feeds)).items()}

    def layer_outputs(self, feeds: Mapping[str, NDArray[Any]], layers: Sequence[GraphLayer]) -> Arrays:
        """Outputs of layers by the source's own names."""
        return self._reference.layer_outputs(self._old_names(feeds), layers)

    def _old_names(self, feeds: Mapping[str, NDArray[Any]]) -> Arrays:
        return {self._old.get(name, name): array for name, array in feeds.items()}
