"""Sampling modes of the resizing layers.

Source: NeuralNetwork.proto, message SamplingMode; ``converters/interpolation.py`` says where each samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mltoolkit.converters.interpolation import SamplingMode
from mltoolkit.errors import InvalidModelError

if TYPE_CHECKING:
    from mltoolkit.converters.neural_network.context import LayerContext

# SamplingMode.Method
_METHODS = {
    0: SamplingMode.STRICT_ALIGN_CORNERS,
    1: SamplingMode.ALIGN_CORNERS,
    2: SamplingMode.DEFAULT,
    3: SamplingMode.OFFSET_CORNERS,
}


def read_method(context: LayerContext, number: int) -> SamplingMode:
    """The sampling mode of that number.

    Raises:
        InvalidModelError: there is none.
    """
    if number not in _METHODS:
        raise InvalidModelError(f"the sampling mode {number} is unknown", where=context.where)
    return _METHODS[number]
