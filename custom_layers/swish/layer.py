"""The custom layer Swish in NumPy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mltoolkit.custom_layers.elementwise import ElementwiseLayer, sigmoid


class Swish(ElementwiseLayer):
    """x · σ(βx).

    β is the parameter ``beta``; else the first weight holds it (one number); else it is 1.
    """

    class_name = "Swish"
    description = "x · σ(βx)"

    def __init__(self, parameters: dict[str, float | int | str | bool], weights: Sequence[NDArray[np.generic]]) -> None:
        super().__init__(parameters, weights)
        learned = float(self.weights[0].reshape(-1)[0]) if self.weights else 1.0
        self.beta = float(self.parameters.get("beta", learned))

    def function(self, x: NDArray[np.floating]) -> NDArray[np.floating]:
        """The activation of an array."""
        return x * sigmoid(x.dtype.type(self.beta) * x)
