"""The layers of the source in order, with the values that hold their outputs."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import TYPE_CHECKING

from mltoolkit.converters.keras.tensors import Tensor
from mltoolkit.graph.builder import GraphBuilder, known_shape
from mltoolkit.graph.model_graph import GraphBlob, GraphLayer

if TYPE_CHECKING:
    from mltoolkit.converters.keras.context import LayerContext


class LayerRecords:
    """Collects what was converted; names are settled at the end, when the model's outputs have theirs."""

    def __init__(self) -> None:
        self._records: list[tuple[str, str, list[Tensor]]] = []
        self._calls: dict[str, int] = {}

    def add(self, builder: GraphBuilder, context: LayerContext, outputs: Sequence[Tensor]) -> None:
        """Note a call; its outputs are named after it. The second call of a shared layer is ``name_call2``."""
        count = self._calls[context.name] = self._calls.get(context.name, 0) + 1
        name = context.name if count == 1 else f"{context.name}_call{count}"
        given = {tensor.value for tensor in context.inputs}
        for index, tensor in enumerate(outputs):
            if tensor.value not in given and tensor.value.producer() is not None:
                builder.rename(tensor.value, name if len(outputs) == 1 else f"{name}:{index}")
        self._records.append((name, context.class_name, list(outputs)))

    @property
    def has_shared_layers(self) -> bool:
        """Whether a layer was called more than once."""
        return any(count > 1 for count in self._calls.values())

    def layers(self, existing: Container[str]) -> tuple[GraphLayer, ...]:
        """All layers, with those of their outputs that are still in the graph.

        Args:
            existing: names of the values in the finished graph.
        """
        return tuple(
            GraphLayer(
                name,
                class_name,
                tuple(
                    GraphBlob(
                        name if len(outputs) == 1 else f"{name}:{index}", tensor.value.name, known_shape(tensor.value)
                    )
                    for index, tensor in enumerate(outputs)
                    if tensor.value.name is not None and tensor.value.name in existing
                ),
            )
            for name, class_name, outputs in self._records
        )
