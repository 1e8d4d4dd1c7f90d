"""The custom layer GroupNorm in NumPy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mltoolkit.custom_layers.parameters import size_parameter
from mltoolkit.custom_layers.protocol import CustomLayer, Shape
from mltoolkit.errors import ArgumentError


class GroupNorm(CustomLayer):
    """Normalizes [.., C, H, W] over groups of channels together with H and W, then scales and shifts each channel.

    Parameters: ``num_groups``; ``epsilon`` (1e-5), added to the variance. Weights: scale and shift, C numbers each;
    without them only the normalization.
    """

    class_name = "GroupNorm"
    description = "normalizes over groups of channels"

    def __init__(self, parameters: dict[str, float | int | str | bool], weights: Sequence[NDArray[np.generic]]) -> None:
        super().__init__(parameters, weights)
        self.groups = size_parameter(self, "num_groups")
        self.epsilon = float(self.parameters.get("epsilon", 1e-5))
        if len(self.weights) not in (0, 2):
            raise ArgumentError(f"{self.class_name} has scale and shift or no weights, not {len(self.weights)}")

    def output_shapes(self, input_shapes: Sequence[Shape]) -> list[Shape]:
        """The input's shape."""
        return [tuple(input_shapes[0])]

    def evaluate(self, inputs: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Normalize; the axes before the channels are the batch."""
        x = inputs[0]
        channels = x.shape[-3]
        if channels % self.groups:
            raise ArgumentError(f"{channels} channels are not a multiple of the {self.groups} groups")
        grouped = x.reshape(*x.shape[:-3], self.groups, -1)
        centred = grouped - grouped.mean(axis=-1, keepdims=True)
        variance = np.mean(centred * centred, axis=-1, keepdims=True)
        normal = (centred / np.sqrt(variance + x.dtype.type(self.epsilon))).reshape(x.shape)
        if self.weights:
            scale, shift = (np.asarray(weight, x.dtype).reshape(-1, 1, 1) for weight in self.weights)
            if not len(scale) == len(shift) == channels:
                raise ArgumentError(
                    f"the weights are for {len(scale)} and {len(shift)} channels, the input has {channels}"
                )
            normal = normal * scale + shift
        return [normal]

    def example_input_shapes(self) -> list[list[Shape]]:
        """Ranks 3 to 5, several pictures; as many channels as the weights have."""
        channels = len(self.weights[0]) if self.weights else 4 * self.groups
        return [[(channels, 5, 4)], [(2, channels, 1, 3)], [(1, 3, channels, 2, 2)]]

    def fits_textures(self, input_shapes: Sequence[Shape]) -> bool:
        """Without weights nothing but a full last texel and a single picture tells the number of channels."""
        shape = input_shapes[0]
        return bool(self.weights) or (shape[-3] % 4 == 0 and int(np.prod(shape[:-3])) == 1)
