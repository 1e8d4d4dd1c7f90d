"""Test vectors: what the Python classes of custom layers compute, for the Swift tests."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.custom_layers.protocol import CustomLayer, Shape
from mltoolkit.swift_package.model_layers import ModelLayer

# Relative to the largest value where that is above 1: a few roundings of the type, and of half numbers on the way.
TOLERANCES = {"float32": 1e-5, "double": 1e-12, "float16": 2e-3}
_TYPES: dict[str, type[np.floating]] = {"float32": np.float32, "double": np.float64, "float16": np.float16}


def layer_vectors(
    layer: ModelLayer, implementation: CustomLayer | None, *, has_kernel: bool, seed: int
) -> dict[str, Any]:
    """The JSON of one layer: how to make it, and inputs with the outputs that are due.

    Args:
        layer: the layer in the model.
        implementation: its Python object; without one there are no cases.
        has_kernel: whether the Swift class has an ``encode`` to check on textures.
        seed: of the inputs.
    """
    return {
        "className": layer.class_name,
        "parameters": {
            name: {"text": value} if isinstance(value, str) else {"number": float(value)}
            for name, value in layer.parameters.items()
        },
        "weights": [_base64(np.ascontiguousarray(weight)) for weight in layer.weights],
        "cases": list(_cases(implementation, has_kernel, seed)) if implementation is not None else [],
    }


def _cases(layer: CustomLayer, has_kernel: bool, seed: int) -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    for shapes in layer.example_input_shapes():
        for element, padding in itertools.product(TOLERANCES, (0, 3)):
            yield _case(layer, shapes, element, padding, rng, textures=False)
        if has_kernel and layer.fits_textures(shapes):
            yield _case(layer, shapes, "float16", 0, rng, textures=True)


def _case(
    layer: CustomLayer, shapes: Sequence[Shape], element: str, padding: int, rng: np.random.Generator, *, textures: bool
) -> dict[str, Any]:
    dtype = _TYPES[element]
    inputs = [rng.normal(size=shape).astype(dtype) for shape in shapes]
    # Halves are computed in float32 here as in Swift.
    computing = np.float32 if dtype is np.float16 else dtype
    outputs = layer.evaluate([array.astype(computing) for array in inputs])
    return {
        "element": element,
        "tolerance": TOLERANCES[element],
        "textures": textures,
        "inputs": [_array(array, padding) for array in inputs],
        "outputs": [_array(array, padding) for array in outputs],
    }


def _array(array: NDArray[np.floating], padding: int) -> dict[str, Any]:
    """An array as JSON; with padding, rows lie further apart in memory than they are long."""
    return {
        "shape": list(array.shape),
        "strides": list(_strides(array.shape, padding)),
        "data": _base64(array.astype("<f8")),
    }


def _strides(shape: Sequence[int], padding: int) -> Iterator[int]:
    """Row-major steps in elements; every axis but the last is ``padding`` elements longer than needed."""
    steps, step = [], 1
    for size in reversed(shape):
        steps.append(step)
        step = step * max(1, size) + padding
    return reversed(steps)


def _base64(array: NDArray[np.generic]) -> str:
    return base64.b64encode(array.tobytes()).decode("ascii")
