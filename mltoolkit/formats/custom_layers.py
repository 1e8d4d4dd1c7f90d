"""What a network's file says of its custom layers (``CustomLayerParams``)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.formats.float_field import read_floats
from mltoolkit.formats.weights import Encoding, encoding_of


def custom_parameters(params: Any) -> dict[str, float | int | str | bool]:
    """CustomLayerParamValue by name, as Python values."""
    return {
        name: getattr(value, value.WhichOneof("value") or "stringValue") for name, value in params.parameters.items()
    }


def custom_weight(weight: Any) -> NDArray[np.generic]:
    """A weight as a custom layer's class receives it: float32, or the bytes that only it understands."""
    encoding = encoding_of(weight)
    if encoding is Encoding.FLOAT32:
        return read_floats(weight, "floatValue")
    if encoding is Encoding.FLOAT16:
        return np.frombuffer(weight.float16Value, dtype="<f2").astype(np.float32)
    return np.frombuffer(weight.rawValue, dtype=np.uint8)
