"""The custom layers and custom models that a Core ML model needs classes for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.custom_layers.protocol import ParameterValue
from mltoolkit.formats.custom_layers import custom_parameters, custom_weight
from mltoolkit.formats.networks import iter_layers, iter_models


@dataclass(frozen=True)
class ModelLayer:
    """One custom layer.

    Attributes:
        name: the layer's name in the model.
        class_name: the class that runs it.
        description: what the file says of it.
        parameters: its parameters by name.
        weights: float32 arrays (n,), or raw bytes as uint8.
        outputs: how many blobs it makes.
    """

    name: str
    class_name: str
    description: str
    parameters: Mapping[str, ParameterValue]
    weights: tuple[NDArray[np.generic], ...]
    outputs: int


@dataclass(frozen=True)
class CustomModelClass:
    """A model of kind ``customModel``: a class that stands for the whole model.

    Attributes:
        class_name: the class.
        description: what the file says of it.
        parameters: its parameters by name.
        outputs: the names of its outputs.
    """

    class_name: str
    description: str
    parameters: Mapping[str, ParameterValue]
    outputs: tuple[str, ...]


def model_layers(spec: Any) -> list[ModelLayer]:
    """The custom layers of a model in order, those in pipelines, branches and loops included."""
    return [
        ModelLayer(
            name=layer.name,
            class_name=layer.custom.className,
            description=layer.custom.description,
            parameters=custom_parameters(layer.custom),
            weights=tuple(custom_weight(weight) for weight in layer.custom.weights),
            outputs=len(layer.output),
        )
        for _, layer in iter_layers(spec)
        if layer.WhichOneof("layer") == "custom"
    ]


def custom_models(spec: Any) -> list[CustomModelClass]:
    """The custom models in a model, a pipeline's stages included."""
    return [
        CustomModelClass(
            class_name=model.customModel.className,
            description=model.customModel.description,
            parameters=custom_parameters(model.customModel),
            outputs=tuple(feature.name for feature in model.description.output),
        )
        for _, model in iter_models(spec)
        if model.WhichOneof("Type") == "customModel"
    ]
