"""The custom layer PixelShuffle in NumPy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mltoolkit.custom_layers.parameters import size_parameter
from mltoolkit.custom_layers.protocol import CustomLayer, Shape
from mltoolkit.errors import ArgumentError


class PixelShuffle(CustomLayer):
    """[.., C·r², H, W] to [.., C, H·r, W·r]: channel c·r² + i·r + j fills the places (i, j) of every r × r block.

    Parameter: ``upscale_factor``, r. It is torch's PixelShuffle and ONNX's DepthToSpace in mode CRD.
    """

    class_name = "PixelShuffle"
    description = "moves channels into blocks of pixels"

    def __init__(self, parameters: dict[str, float | int | str | bool], weights: Sequence[NDArray[np.generic]]) -> None:
        super().__init__(parameters, weights)
        self.factor = size_parameter(self, "upscale_factor")

    def output_shapes(self, input_shapes: Sequence[Shape]) -> list[Shape]:
        """[.., C, H·r, W·r]."""
        *leading, channels, height, width = input_shapes[0]
        if channels % self.factor**2:
            raise ArgumentError(f"{channels} channels are not a multiple of {self.factor}²")
        return [(*leading, channels // self.factor**2, height * self.factor, width * self.factor)]

    def evaluate(self, inputs: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Move the elements."""
        x, r = inputs[0], self.factor
        (shape,) = self.output_shapes([x.shape])
        blocks = x.reshape(-1, shape[-3], r, r, *x.shape[-2:])
        return [np.ascontiguousarray(blocks.transpose(0, 1, 4, 2, 5, 3)).reshape(shape)]

    def example_input_shapes(self) -> list[list[Shape]]:
        """Ranks 3 to 5, sizes of 1, several pictures."""
        channels = self.factor**2
        return [[(channels, 3, 4)], [(2, 3 * channels, 1, 2)], [(1, 1, 5 * channels, 2, 3)], [(2, 2, channels, 2, 1)]]

    def fits_textures(self, input_shapes: Sequence[Shape]) -> bool:
        """Textures do not tell the number of channels, so that only a single picture is known to begin at slice 0."""
        return int(np.prod(input_shapes[0][:-3])) == 1
