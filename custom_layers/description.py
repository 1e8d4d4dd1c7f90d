"""What a model file says of a custom layer: the three things a conversion hook provides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mltoolkit.custom_layers.protocol import ParameterValue


@dataclass(frozen=True)
class CustomLayerDescription:
    """A custom layer as Core ML stores it (``CustomLayerParams``).

    Attributes:
        class_name: name of the class that runs it on the device (``className``).
        description: what the layer does, for people.
        parameters: numbers, strings and flags by name.
        weights: arrays in the order that ``setWeightData`` receives them; stored as float32.
        output_shapes: the outputs' shapes, channels-first, where the source does not say them (operators of foreign
            ONNX domains); not stored.
    """

    class_name: str
    description: str = ""
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)
    weights: Sequence[NDArray[np.floating]] = ()
    output_shapes: Sequence[Sequence[int | str | None]] = ()
