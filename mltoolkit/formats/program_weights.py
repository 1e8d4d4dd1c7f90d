"""Weights of an ML Program in the forms that it can store: codes with scales, tables, masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.formats.compressed_weights import look_up, shift_and_scale


@dataclass(frozen=True)
class AffineCodes:
    """Codes with ``value = scale * (code - zero_point)``.

    Attributes:
        codes: int8 or uint8, in the weight's shape.
        nbits: 4 or 8.
        scale: float32, of the weight's rank; each size divides that of the codes: the quotient is the block's.
        zero_point: of the codes' type and the scale's shape, or float32; None for 0.
    """

    codes: NDArray[Any]
    nbits: int
    scale: NDArray[np.float32]
    zero_point: NDArray[Any] | None


@dataclass(frozen=True)
class GroupedCodes:
    """Codes of several tables, of tables of vectors, or of values that a scale multiplies.

    Attributes:
        codes: uint8, in the weight's shape, but for the vector axis, which is shorter.
        nbits: of a code.
        tables: float32 of shape (blocks along each axis, …, 2**nbits, values of an entry).
        vector_axis: the axis along which the values of an entry stand; None where they are single numbers.
        scale: float32 factors that broadcast over the weight, or None.
    """

    codes: NDArray[np.uint8]
    nbits: int
    tables: NDArray[np.float32]
    vector_axis: int | None = None
    scale: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class SparseWeight:
    """Zeros, and the values where a mask is 1.

    Attributes:
        mask: bool, in the weight's shape.
        kept: float32, the values one after the other.
    """

    mask: NDArray[np.bool_]
    kept: NDArray[np.float32]


@dataclass(frozen=True)
class SparseCodes:
    """Zeros, and codes where a mask is 1.

    Attributes:
        mask: bool, in the weight's shape.
        codes: what the kept values are: codes for every value of the weight, of which those at the mask's places are
            stored. Tables are for the whole weight.
    """

    mask: NDArray[np.bool_]
    codes: AffineCodes | GroupedCodes


ProgramStored = AffineCodes | GroupedCodes | SparseWeight | SparseCodes


def decode_stored(stored: ProgramStored, where: str) -> NDArray[np.float32]:
    """The float32 values that are stored.

    Raises:
        InvalidModelError: the shapes do not fit together, or a code is beyond its table.
    """
    if isinstance(stored, AffineCodes):
        return shift_and_scale(stored.codes, stored.scale, stored.zero_point, where)
    if isinstance(stored, SparseCodes):
        return np.where(stored.mask, decode_stored(stored.codes, where), np.float32(0))
    if isinstance(stored, SparseWeight):
        values = np.zeros(stored.mask.shape, dtype=np.float32)
        values[stored.mask] = stored.kept
        return values
    values = look_up(stored.codes, stored.tables, stored.vector_axis, where)
    return values if stored.scale is None else values * stored.scale
