"""The beginning of a network, up to a custom layer that cannot run here: what comes before it still has shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mltoolkit.custom_layers.registry import CustomLayerSet
from mltoolkit.formats.networks import iter_network_layers, nested_networks, network_of
from mltoolkit.formats.protobuf import new_model

if TYPE_CHECKING:
    from mltoolkit.model import Model

# ArrayFeatureType.ArrayDataType, FLOAT32
_FLOAT32 = 65568


def before_missing_layer(model: Model) -> tuple[Any, str] | None:
    """A network of the layers before the first one whose custom layer has no class here.

    Args:
        model: a model that cannot run for want of a custom layer's class.

    Returns:
        A ``Model`` message, whose output is what the last of them makes, and the layer's name; None if there is
        nothing before the layer, or the model is no network.
    """
    network = network_of(model.spec)
    if network is None:
        return None
    known = CustomLayerSet(model.custom_layers)
    count = 0
    for layer in network.layers:
        names = {inner.custom.className for inner in _with_inner(layer) if inner.WhichOneof("layer") == "custom"}
        if set(known.known(names)) != names:
            break
        count += 1
    kept = network.layers[:count]
    if count == len(network.layers) or not kept or not kept[-1].output:
        return None
    return _network_of(model.spec, network, kept), network.layers[count].name


def _with_inner(layer: Any) -> list[Any]:
    return [layer, *(inner for nested in nested_networks(layer) for inner in iter_network_layers(nested))]


def _network_of(spec: Any, network: Any, layers: Any) -> Any:
    """A model of these layers alone, with the inputs, preprocessing and metadata of the whole one."""
    part = new_model()
    part.specificationVersion = spec.specificationVersion
    part.description.metadata.CopyFrom(spec.description.metadata)
    part.description.input.extend(spec.description.input)
    output = part.description.output.add(name=layers[-1].output[0])
    output.type.multiArrayType.dataType = _FLOAT32
    part.neuralNetwork.layers.extend(layers)
    part.neuralNetwork.preprocessing.extend(network.preprocessing)
    part.neuralNetwork.arrayInputShapeMapping = network.arrayInputShapeMapping
    part.neuralNetwork.imageInputShapeMapping = network.imageInputShapeMapping
    return part
