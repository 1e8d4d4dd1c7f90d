"""The custom layer Mish in NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mltoolkit.custom_layers.elementwise import ElementwiseLayer


class Mish(ElementwiseLayer):
    """x · tanh(softplus(x)); no parameters, no weights."""

    class_name = "Mish"
    description = "x · tanh(ln(1 + eˣ))"

    def function(self, x: NDArray[np.floating]) -> NDArray[np.floating]:
        """The activation of an array."""
        # softplus without overflow: ln(1 + eˣ) = max(x, 0) + ln(1 + e^−|x|).
        softplus = np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
        result: NDArray[np.floating] = x * np.tanh(softplus)
        return result
