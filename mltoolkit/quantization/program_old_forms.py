"""Compressed weights of iOS 16 in the form that their operations have from iOS 18 on, value for value."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.formats.deployment import IOS18
from mltoolkit.formats.mil_bits import unpack_elements
from mltoolkit.formats.mil_values import read_value
from mltoolkit.formats.program_weights import SparseWeight
from mltoolkit.formats.weight_blob import WeightFolder
from mltoolkit.formats.weights import TableCodes
from mltoolkit.quantization.program_operations import OperationWriter
from mltoolkit.quantization.program_scan import Constant


def in_new_form(constant: Constant, weights: WeightFolder, operations: OperationWriter, version: int) -> list[Any]:
    """The operations that stand for a constant in its program's version; none where it is right as it is."""
    kind = constant.operation.type
    described = constant.type
    if version < IOS18 or constant.operation.inputs or described is None:
        return []
    shape, element = tuple(size or 0 for size in described.shape or ()), described.element.name
    if kind == "constexpr_lut_to_dense":
        table = _read(constant, "lut", weights).reshape(-1)
        bits = table.size.bit_length() - 1
        codes = _unpacked(_read(constant, "indices", weights), bits, shape)
        stored: Any = TableCodes(codes.reshape(-1), bits, table.astype(np.float32))
    elif kind == "constexpr_sparse_to_dense":
        mask = _unpacked(_read(constant, "mask", weights), 1, shape).astype(np.bool_)
        stored = SparseWeight(mask, _read(constant, "nonzero_data", weights).astype(np.float32))
    elif kind == "constexpr_cast":
        stored = _read(constant, "source_val", weights)
    else:
        return []
    return operations.operations(stored, shape, 0, element, f"operation {constant.name!r}")[0]


def _read(constant: Constant, name: str, weights: WeightFolder) -> NDArray[Any]:
    array: NDArray[Any] = read_value(constant.given[name], weights)
    return array


def _unpacked(packed: NDArray[Any], bits: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    count = int(np.prod(shape))
    codes = packed.reshape(-1) if bits == 8 else unpack_elements(packed.reshape(-1), bits, count)
    return codes.reshape(shape).astype(np.uint8, copy=False)
