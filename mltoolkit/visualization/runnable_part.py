"""What of a network can run where a layer cannot: the layers that do not depend on it still have shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mltoolkit.converters.neural_network.kraken import chained_layers, is_kraken
from mltoolkit.custom_layers.registry import CustomLayerSet
from mltoolkit.errors import MissingCustomLayerError, MLToolkitError
from mltoolkit.formats.networks import iter_network_layers, nested_networks, network_of
from mltoolkit.formats.protobuf import new_model

if TYPE_CHECKING:
    from mltoolkit.model import Model

# ArrayFeatureType.ArrayDataType, FLOAT32
_FLOAT32 = 65568


@dataclass(frozen=True)
class RunnablePart:
    """A network without the layers that cannot run, and without what depends on them.

    Attributes:
        spec: a ``Model`` message, whose output is what the last layer that is left makes.
        kept: for each layer of the whole network whether it is left, those inside branches and loops after them.
        culprits: the names of the layers that cannot run.
    """

    spec: Any
    kept: tuple[bool, ...]
    culprits: tuple[str, ...]


def runnable_part(model: Model, error: MLToolkitError) -> RunnablePart | None:
    """The part of a network that can run although the whole cannot.

    Args:
        model: the model.
        error: why it cannot run: custom layers have no class here, or a layer that the error names fails.

    Returns:
        The part; None if nothing is left, the error names no layer, or the model is no network.
    """
    network = network_of(model.spec)
    if network is None:
        return None
    fails = _lacks_class(model) if isinstance(error, MissingCustomLayerError) else _is_named_by(error)
    left, kept, culprits = [], [], []
    stale: set[str] = set()
    for layer in chained_layers(model.spec, network) if is_kraken(model.spec) else network.layers:
        inner = _with_inner(layer)
        made = {name for one in inner for name in one.output}
        if any(map(fails, inner)):
            culprits.append(layer.name)
            runs = False
        else:
            runs = stale.isdisjoint(name for one in inner for name in one.input)
        if runs:
            left.append(layer)
            stale -= made
        else:
            stale |= made
        kept += [runs] * len(inner)
    if not culprits or not left or not left[-1].output:
        return None
    return RunnablePart(_network_of(model.spec, network, left), tuple(kept), tuple(culprits))


def _lacks_class(model: Model) -> Callable[[Any], bool]:
    layers = CustomLayerSet(model.custom_layers)
    return lambda layer: layer.WhichOneof("layer") == "custom" and not layers.known([layer.custom.className])


def _is_named_by(error: MLToolkitError) -> Callable[[Any], bool]:
    where = error.where or ""
    return lambda layer: where.startswith(f"layer {layer.name!r}")


def _with_inner(layer: Any) -> list[Any]:
    return [layer, *(inner for nested in nested_networks(layer) for inner in iter_network_layers(nested))]


def _network_of(spec: Any, network: Any, layers: Iterable[Any]) -> Any:
    """A model of these layers alone, with the inputs, preprocessing and metadata of the whole one."""
    part = new_model()
    part.specificationVersion = spec.specificationVersion
    part.description.metadata.CopyFrom(spec.description.metadata)
    part.description.input.extend(spec.description.input)
    part.neuralNetwork.layers.extend(layers)
    output = part.description.output.add(name=part.neuralNetwork.layers[-1].output[0])
    output.type.multiArrayType.dataType = _FLOAT32
    part.neuralNetwork.preprocessing.extend(network.preprocessing)
    part.neuralNetwork.arrayInputShapeMapping = network.arrayInputShapeMapping
    part.neuralNetwork.imageInputShapeMapping = network.imageInputShapeMapping
    return part
