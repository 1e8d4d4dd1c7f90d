"""Layers that no graph of tensors can hold, each with the reason and what to do instead."""

from __future__ import annotations

from mltoolkit.converters.keras.context import LayerContext
from mltoolkit.converters.keras.registry import converts
from mltoolkit.converters.keras.tensors import Tensor

_STRINGS = "it works on strings, which Core ML has no tensors of", "numbers as input, looked up before the model runs"
_FOREIGN = "it runs code of another framework", "a layer made of keras.layers and keras.ops"
_TRAINING = "it prepares pictures for training by their histograms", "the model without it, prepared pictures as input"
REFUSALS: dict[str, tuple[str, str]] = {
    "AutoContrast": _TRAINING,
    "ContrastLimitedAdaptiveHistogramEqualization": _TRAINING,
    "Equalization": _TRAINING,
    "FlaxLayer": _FOREIGN,
    "HashedCrossing": _STRINGS,
    "Hashing": _STRINGS,
    "IntegerLookup": ("it looks numbers up in a table", "places in the table as input of an Embedding"),
    "JaxLayer": _FOREIGN,
    "MaxNumBoundingBoxes": ("it prepares dictionaries of boxes for training", "the model without it"),
    "StringLookup": _STRINGS,
    "TFSMLayer": _FOREIGN,
    "TextVectorization": _STRINGS,
    "TorchModuleWrapper": _FOREIGN,
}


@converts(*REFUSALS)
def refuse_layer(context: LayerContext) -> Tensor:
    """Give the reason."""
    context.refuse(*REFUSALS[context.class_name])
