"""Types of Keras tensors in the hub: floating types are float32 and integers int32, as in Core ML."""

from __future__ import annotations

import numpy as np

from mltoolkit.errors import UnsupportedModelError


def hub_dtype(dtype: str, where: str) -> np.dtype[np.generic]:
    """The NumPy type that stands for a Keras type.

    Raises:
        UnsupportedModelError: there is none, for strings and complex numbers.
    """
    if dtype in ("bool", "boolean"):
        return np.dtype(np.bool_)
    if dtype.startswith(("int", "uint")):
        return np.dtype(np.int32)
    if dtype.startswith(("float", "bfloat")):
        return np.dtype(np.float32)
    raise UnsupportedModelError(
        f"Core ML has no tensors of {dtype}", where=where, fix="Do that part before the model runs"
    )


def keras_dtype(dtype: np.dtype[np.generic]) -> str:
    """Keras' name of a type of the hub."""
    return str(dtype.name)
