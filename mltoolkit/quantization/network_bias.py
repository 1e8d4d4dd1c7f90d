"""Where the bias of a neural network's layer lies, or would lie.

Source: NeuralNetwork.proto, the fields ``hasBias``, ``hasBiasVector`` and ``hasBiasVectors``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Layers with weights and one bias: the field that holds the number of its values.
_CHANNELS = {
    "convolution": "outputChannels",
    "convolution3d": "outputChannels",
    "innerProduct": "outputChannels",
    "batchedMatmul": "weightMatrixSecondDimension",
    "embedding": "outputChannels",
    "embeddingND": "embeddingSize",
}
_MATRICES = "WeightMatrix", "RecursionMatrix"


@dataclass(frozen=True)
class BiasPlace:
    """A bias of a layer.

    Attributes:
        name: the field, as :class:`~mltoolkit.formats.weight_fields.WeightField` calls it.
        owner: the message that has it.
        field: its name there.
        channels: the number of values.
        used: whether the layer adds it now.
    """

    name: str
    owner: Any
    field: str
    channels: int
    used: bool

    def make(self) -> Any:
        """The ``WeightParams`` message of the bias, which the layer adds from now on."""
        if not self.used:
            self.owner.hasBias = True
        return getattr(self.owner, self.field)


def bias_place(layer: Any, weight: str, updatable: bool) -> BiasPlace | str:
    """The bias that is added to what a weight gives.

    Args:
        layer: the ``NeuralNetworkLayer`` message.
        weight: the weight's field, as :class:`~mltoolkit.formats.weight_fields.WeightField` calls it.
        updatable: whether the weight is trained on the device.

    Returns:
        Its place, or why the layer can have none.
    """
    kind = layer.WhichOneof("layer")
    message = getattr(layer, kind)
    if updatable:
        return "Core ML trains the layer on the device"
    if kind in _CHANNELS and weight == "weights":
        if len(layer.input) > 1:
            return "the layer takes its weights from its second input"
        used = bool(message.hasBias) and message.HasField("bias")
        return BiasPlace("bias", message, "bias", int(getattr(message, _CHANNELS[kind])), used)
    recurrent = _recurrent_bias(kind, message, weight)
    return recurrent or "Core ML adds no bias to these weights"


def _recurrent_bias(kind: str, message: Any, weight: str) -> BiasPlace | None:
    """The bias vector of a gate whose matrix ``weight`` is."""
    if kind == "simpleRecurrent" and weight in ("weightMatrix", "recursionMatrix"):
        flag, name = message.hasBiasVector, "biasVector"
    elif kind in ("gru", "uniDirectionalLSTM", "biDirectionalLSTM") and weight.endswith(_MATRICES):
        flag = message.hasBiasVectors if kind == "gru" else message.params.hasBiasVectors
        name = weight.removesuffix(_MATRICES[0]).removesuffix(_MATRICES[1]) + "BiasVector"
    else:
        return None
    owner, field = message, name
    if kind == "uniDirectionalLSTM":
        owner, field = message.weightParams, name.removeprefix("weightParams.")
    elif kind == "biDirectionalLSTM":
        direction, _, field = name.partition("].")
        owner = message.weightParams[int(direction.rpartition("[")[2])]
    # The vectors of all gates exist or none: one cannot be added.
    return (
        BiasPlace(name, owner, field, int(message.outputVectorSize), True) if flag and owner.HasField(field) else None
    )
