"""kraken's dropout: nothing, when a model predicts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mltoolkit.custom_layers.elementwise import ElementwiseLayer


class Dropout(ElementwiseLayer):
    """A copy of the input. Its parameters (probability, dimensions) matter in training only."""

    class_name = "dropout"
    description = "nothing, when a model predicts"

    def function(self, x: NDArray[np.floating]) -> NDArray[np.floating]:
        """A copy."""
        return x.copy()
