"""Checking what was inferred against what a program declares."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.errors import InvalidModelError
from mltoolkit.formats.mil_types import ElementType, TensorType
from mltoolkit.graph.builder import dtype_of

# 4 GiB of float32; larger tensors are taken for a damaged program.
MAX_ELEMENTS = 1 << 30
_HUB_TYPES: dict[str, np.dtype[Any]] = {
    "float": np.dtype(np.float32),
    "int": np.dtype(np.int64),
    "bool": np.dtype(np.bool_),
}


def hub_type(element: ElementType) -> np.dtype[Any]:
    """The type in which the hub holds elements of a MIL type.

    Raises:
        InvalidModelError: texts are not held.
    """
    if element.kind not in _HUB_TYPES:
        raise InvalidModelError("texts can only be constants of a program")
    return _HUB_TYPES[element.kind]


def agree(value: ir.Value | NDArray[Any], declared: TensorType, where: str) -> None:
    """Check a result, and complete its shape where only the program knows it.

    Raises:
        InvalidModelError: type, rank or a size is another than declared, or the tensor would not fit into
            memory.
    """
    if isinstance(value, np.ndarray):
        _check_sizes(value.shape, declared, where)
        return
    expected, found = hub_type(declared.element), dtype_of(value)
    if found != expected:
        raise InvalidModelError(
            f"the operation gives {found} but the program declares {declared.element.name}", where=where
        )
    if declared.shape is None:
        return
    if value.shape is None:
        value.shape = ir.Shape(list(declared.shape))
    shape = tuple(size if isinstance(size, int) else None for size in value.shape)
    _check_sizes(shape, declared, where)
    completed = [known if known is not None else stated for known, stated in zip(shape, declared.shape, strict=True)]
    if math.prod(size or 1 for size in completed) > MAX_ELEMENTS:
        raise InvalidModelError(f"a tensor of shape {tuple(completed)} does not fit into memory", where=where)
    if value.const_value is None and completed != list(shape):
        value.shape = ir.Shape(completed)


def _check_sizes(shape: tuple[int | None, ...], declared: TensorType, where: str) -> None:
    if declared.shape is None:
        return
    if len(shape) != len(declared.shape) or any(
        size is not None and stated is not None and size != stated
        for size, stated in zip(shape, declared.shape, strict=True)
    ):
        raise InvalidModelError(
            f"the operation gives the shape {shape} but the program declares {declared}", where=where
        )
