"""The values inside two models that can be set side by side: outputs of layers of the same names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mltoolkit.comparison.name_matching import match_names

if TYPE_CHECKING:
    from mltoolkit.graph.model_graph import ModelGraph


@dataclass(frozen=True)
class LayerValue:
    """An output of a layer.

    Attributes:
        number: the layer's place in the file.
        layer: the layer's name.
        type: the layer's type, as the format calls it.
        output: the blob's name in the file.
        value: the graph's value that holds it; "" where nothing holds it, because the layer lies in a branch or loop
            or is computed together with others.
        shape: None where not even the rank is known before the model runs.
    """

    number: int
    layer: str
    type: str
    output: str
    value: str
    shape: tuple[int | str | None, ...] | None


@dataclass(frozen=True)
class MatchedValues:
    """The layer outputs of two models, and which are the same.

    Attributes:
        values: every layer output of the first model, in the order of the file.
        pairs: place in ``values``, the first model's value, the second's.
        left_out: why other places have no pair.
        only_second: outputs of the second model that the first has not.
    """

    values: list[LayerValue]
    pairs: list[tuple[int, LayerValue, LayerValue]]
    left_out: dict[int, str]
    only_second: tuple[str, ...]


def matched_values(a: ModelGraph, b: ModelGraph) -> MatchedValues:
    """The layer outputs that two graphs have in common, by their names in the files."""
    values, others = layer_values(a), layer_values(b)
    twins = match_names([value.output for value in values], [value.output for value in others])
    taken = set(twins.values())
    pairs, left_out = [], {}
    for place, value in enumerate(values):
        twin = others[twins[place]] if place in twins else None
        if twin is None:
            left_out[place] = "the second model has no such layer"
        elif not value.value or not twin.value:
            which = "second" if value.value else "first"
            left_out[place] = f"the {which} model computes it together with other layers, or in a branch"
        else:
            pairs.append((place, value, twin))
    only_second = tuple(value.output for place, value in enumerate(others) if place not in taken)
    return MatchedValues(values, pairs, left_out, only_second)


def layer_values(graph: ModelGraph) -> list[LayerValue]:
    """Every layer output of a network or program, in the order of the file."""
    held = {value.name for node in graph.model.graph for value in node.outputs}
    held |= {value.name for value in graph.model.graph.inputs}
    found = []
    for number, layer in enumerate(graph.layers):
        for blob in layer.outputs:
            # An output of the model may go by the blob's own name although the layer's value was renamed.
            value = next((name for name in (blob.value, blob.name) if name in held), "")
            found.append(LayerValue(number, layer.name, layer.type, blob.name, value, blob.shape))
    return found
