"""What custom layers that work element by element have in common."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mltoolkit.custom_layers.protocol import CustomLayer, Shape


class ElementwiseLayer(CustomLayer):
    """A layer whose output has its input's shape; subclasses write :meth:`function`."""

    def function(self, x: NDArray[np.floating]) -> NDArray[np.floating]:
        """The layer's values for an array, of the same shape and type."""
        raise NotImplementedError(f"{type(self).__name__} must define function")

    def output_shapes(self, input_shapes: Sequence[Shape]) -> list[Shape]:
        """The input's shape."""
        return [tuple(input_shapes[0])]

    def evaluate(self, inputs: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """The function of the input."""
        return [self.function(inputs[0]).astype(inputs[0].dtype, copy=False)]

    def example_input_shapes(self) -> list[list[Shape]]:
        """Ranks 3 to 5, sizes of 1, several pictures, channels that fill no texel."""
        return [[(1, 1, 1)], [(3, 5, 4)], [(2, 6, 4, 5)], [(1, 3, 8, 1, 7)], [(2, 2, 5, 3, 2)]]


def sigmoid(x: NDArray[np.floating]) -> NDArray[np.floating]:
    """1 / (1 + e⁻ˣ), without overflow for any x."""
    small = np.exp(-np.abs(x))
    result: NDArray[np.floating] = np.where(x >= 0, 1, small) / (1 + small)
    return result.astype(x.dtype, copy=False)
