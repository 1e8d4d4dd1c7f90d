"""The shapes that the runtime has for a model's values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mltoolkit.errors import MLToolkitError
from mltoolkit.formats.features import sizes_for_open_shapes
from mltoolkit.markup.text import shape_text
from mltoolkit.visualization.runnable_part import RunnablePart, runnable_part

if TYPE_CHECKING:
    from mltoolkit.graph.model_graph import GraphLayer, ModelGraph
    from mltoolkit.model import Model


class RuntimeShapes:
    """The shapes of a network's or program's values, layer by layer in the order of the file.

    A model that cannot be run can still be looked at: then there are no shapes.

    Args:
        model: a neural network or ML Program.

    Attributes:
        inputs: the model's inputs and their shapes in words.
        remark: why there are none, or what sizes were chosen; "" where nothing is to be said.
    """

    def __init__(self, model: Model) -> None:
        self.inputs: dict[str, str] = {}
        self.remark = ""
        self._layers: Iterator[GraphLayer] = iter(())
        self._kept: Iterator[bool] = iter(())
        shapes = sizes_for_open_shapes(model.inputs)
        graph = self._graph(model, shapes)
        if graph is None:
            return
        if shapes:
            chosen = ", ".join(f"{name} {shape_text(shape)}" for name, shape in shapes.items())
            self.remark += f" The model leaves sizes of its inputs open; shapes are shown for {chosen}."
            self.remark = self.remark.strip()
        for value in graph.model.graph.inputs:
            if value.shape is not None:
                self.inputs[value.name or ""] = shape_text(tuple(_size(size) for size in value.shape.dims))
        self._layers = iter(graph.layers)

    def _graph(self, model: Model, shapes: dict[str, tuple[int, ...]]) -> ModelGraph | None:
        try:
            return model.graph(shapes)
        except MLToolkitError as error:
            self.remark = f"Shapes are not shown: {error}"
            part = runnable_part(model, error)
            if part is None:
                return None
            reason = error
        try:
            graph = type(model).from_spec(part.spec, custom_layers=model.custom_layers).graph(shapes)
        except MLToolkitError:
            return None
        self._kept = iter(part.kept)
        self.remark = f"Shapes are not shown for {_left_out(part)}: {reason}"
        return graph

    def of_layer(self, name: str, layer_type: str) -> dict[str, str]:
        """The values that the next layer makes, and their shapes in words.

        Layers are asked for in the order of the file, those inside a branch or loop after it.
        """
        if not next(self._kept, True):
            return {}
        found = next(self._layers, None)
        if found is None:
            return {}
        if (found.name, found.type) != (name, layer_type):
            # The graph has other layers than the file: no shapes are better than wrong ones.
            self._layers = iter(())
            return {}
        return {blob.name: shape_text(blob.shape) for blob in found.outputs}


def _left_out(part: RunnablePart) -> str:
    names = ", ".join(repr(name) for name in part.culprits[:4])
    if len(part.culprits) == 1:
        return f"the layer {names} and what depends on it"
    more = f" and {len(part.culprits) - 4:,} others" if len(part.culprits) > 4 else ""
    return f"the layers {names}{more}, and what depends on them"


def _size(size: object) -> int | str | None:
    value = getattr(size, "value", size)
    return value if isinstance(value, int | str) else None
