"""What a Python implementation of a custom layer looks like; it mirrors Core ML's MLCustomLayer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

ParameterValue = float | int | str | bool
Shape = tuple[int, ...]


class CustomLayer:
    """Base class of custom layers. Subclass it, set ``class_name`` and write the two methods.

    Attributes:
        class_name: the layer's ``className`` in the model file (CustomLayerParams.className).
        description: what the layer does, one line; models that are converted with it carry it.
        parameters: the layer's parameters from the file, by name.
        weights: the layer's weights from the file: float32 arrays of shape (n,), or raw bytes as uint8.

    >>> class Double(CustomLayer):
    ...     class_name = "Double"
    ...     def output_shapes(self, input_shapes):
    ...         return list(input_shapes)
    ...     def evaluate(self, inputs):
    ...         return [2 * inputs[0]]
    >>> Double({}, []).evaluate([np.ones(2, np.float32)])
    [array([2., 2.], dtype=float32)]
    """

    class_name: ClassVar[str] = ""
    description: ClassVar[str] = ""

    def __init__(self, parameters: Mapping[str, ParameterValue], weights: Sequence[NDArray[np.generic]]) -> None:
        self.parameters = dict(parameters)
        self.weights = list(weights)

    def output_shapes(self, input_shapes: Sequence[Shape]) -> list[Shape]:
        """The outputs' shapes for the inputs' shapes.

        Shapes have rank 5, [Sequence, Batch, C, H, W], in models of specification ≤ 3, else the blob's own rank.
        """
        raise NotImplementedError(f"{type(self).__name__} must define output_shapes")

    def evaluate(self, inputs: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """The outputs for the inputs: float32 arrays with the shapes that ``output_shapes`` gives.

        The inputs must not be changed.
        """
        raise NotImplementedError(f"{type(self).__name__} must define evaluate")

    def example_input_shapes(self) -> list[list[Shape]]:
        """Input shapes that this layer takes, a list of shapes an example; for checks and for generated Swift tests.

        None by default, so that nothing is checked.
        """
        return []

    def fits_textures(self, input_shapes: Sequence[Shape]) -> bool:
        """Whether ``encode`` of the layer's Swift class can tell these shapes from textures alone."""
        return all(len(shape) >= 3 for shape in input_shapes)
