"""Running the hub's graph in the middle of a conversion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from mltoolkit.converters.source_model import SourceModel
from mltoolkit.custom_layers.registry import CustomLayerSet
from mltoolkit.errors import CustomLayerError, MissingCustomLayerError
from mltoolkit.formats.features import Interface
from mltoolkit.graph.model_graph import CustomNode, ModelGraph
from mltoolkit.runtime.partition import GraphRunner


class HubRunner:
    """Runs a source model's graph.

    Args:
        source: the model.
        custom_layers: the Python classes of its custom layers.

    Raises:
        MissingCustomLayerError: a custom layer has none.
        CustomLayerError: a class refuses its parameters or weights.
    """

    def __init__(self, source: SourceModel, custom_layers: CustomLayerSet) -> None:
        nodes = {}
        for name, description in source.custom_layers.items():
            layer_class = custom_layers.find(description.class_name, f"layer {name!r}")
            weights = [weight.reshape(-1) for weight in description.weights]
            try:
                nodes[name] = CustomNode(name, layer_class(description.parameters, weights))
            except Exception as error:  # a user's code
                raise CustomLayerError(
                    f"the Python class of the custom layer {description.class_name!r} does not take what the file "
                    f"would hold: {type(error).__name__}: {error}",
                    where=f"layer {name!r}",
                    fix="Correct the parameters and weights in the description, or the class",
                ) from error
        self._graph = ModelGraph(source.model, Interface((), ()), custom_layers=nodes)

    def run(self, feeds: Mapping[str, NDArray[Any]], taps: Sequence[str] = ()) -> dict[str, NDArray[Any]]:
        """Every output and tapped value by name."""
        return GraphRunner(self._graph, taps=taps).run(feeds)


def missing_classes(source: SourceModel, custom_layers: CustomLayerSet) -> list[str]:
    """Class names of custom layers that have no Python class."""
    missing = []
    for name in dict.fromkeys(item.class_name for item in source.custom_layers.values()):
        try:
            custom_layers.find(name, "")
        except MissingCustomLayerError:
            missing.append(name)
    return missing
