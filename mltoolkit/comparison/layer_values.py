"""The values inside two models that can be set side by side: outputs of layers of the same names."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mltoolkit.runtime.inputs import bind_inputs

if TYPE_CHECKING:
    from mltoolkit.model import Model

# What an element of a layer's output takes while it is compared: onnxruntime's float32.
_ELEMENT_BYTES = 4
# Elements assumed of an output whose size is known only when the model has run.
_UNKNOWN_ELEMENTS = 1 << 22


@dataclass(frozen=True)
class LayerValue:
    """An output of a layer.

    Attributes:
        layer: the layer's name.
        type: the layer's type, as the format calls it.
        output: the blob's name in the file.
        value: the graph's value that holds it; "" where nothing holds it, because the layer lies in a branch or loop
            or is computed together with others.
        shape: None where not even the rank is known before the model runs.
        inputs: the blobs that the layer reads.
    """

    layer: str
    type: str
    output: str
    value: str
    shape: tuple[int | str | None, ...] | None
    inputs: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """What it takes in memory, guessed where its size is open."""
        if self.shape is None or any(not isinstance(size, int) for size in self.shape):
            return _UNKNOWN_ELEMENTS * _ELEMENT_BYTES
        return math.prod(size for size in self.shape if isinstance(size, int)) * _ELEMENT_BYTES


@dataclass(frozen=True)
class ValuePair:
    """What holds the same in two models: a value of the first, at that place in its list, and its twin."""

    place: int
    a: LayerValue
    b: LayerValue

    @property
    def bytes(self) -> int:
        """What both take in memory."""
        return self.a.bytes + self.b.bytes


def layer_values(model: Model, data: Mapping[str, Any]) -> list[LayerValue]:
    """Every layer output of a network or program, in the order of the file, for inputs such as ``data``.

    Raises:
        InputError: the data do not fit the model's inputs.
        UnsupportedModelError: the model is no network or program.
    """
    shapes = bind_inputs(model.interface, data, leading_axes=model.kind.startswith("neuralNetwork")).shapes
    graph = model.graph(dict(shapes))
    held = {value.name for node in graph.model.graph for value in node.outputs}
    held |= {value.name for value in graph.model.graph.inputs}
    summaries = model.summary().layers
    found = []
    for index, layer in enumerate(graph.layers):
        # The two lists go together; a layer without its twin only loses the way its error came.
        known = index < len(summaries) and summaries[index].name == layer.name
        inputs = summaries[index].inputs if known else ()
        for blob in layer.outputs:
            # An output of the model may go by the blob's own name although the layer's value was renamed.
            value = next((name for name in (blob.value, blob.name) if name in held), "")
            found.append(LayerValue(layer.name, layer.type, blob.name, value, blob.shape, inputs))
    return found


def same_elements(a: Sequence[int], b: Sequence[int]) -> bool:
    """Whether two shapes differ in axes of size 1 alone: a network's rank-5 blobs against a program's tensors.

    >>> same_elements((1, 10, 1, 1), (1, 10))
    True
    """
    return [size for size in a if size != 1] == [size for size in b if size != 1]


def in_groups(pairs: Sequence[ValuePair], memory: int) -> list[list[ValuePair]]:
    """The pairs in order, as many together as fit into ``memory`` bytes; at least one."""
    groups: list[list[ValuePair]] = []
    room = 0
    for pair in pairs:
        if not groups or pair.bytes > room:
            groups.append([])
            room = memory
        groups[-1].append(pair)
        room -= pair.bytes
    return groups
