"""Compressed weights: decoded once, while the model is loaded.

The operations of iOS 16 state the shape of packed codes or of a packed mask; those of iOS 18 under the same
name have elements of less than 8 bits, which the reader of values has unpacked.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.parameters import choice, whole_number
from mltoolkit.converters.ml_program.quantization_parameters import for_axis, numbers, optional_numbers
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.converters.ml_program.storage import affine_record, progression_record, sparse_record, table_record
from mltoolkit.errors import InvalidModelError
from mltoolkit.formats.compressed_weights import (
    gather_places,
    look_up,
    shift_and_scale,
    spread,
)
from mltoolkit.formats.mil_bits import packed_bytes, unpack_elements
from mltoolkit.graph.quantization_record import Float16Record


def _vector_axis(context: MilContext) -> int | None:
    return whole_number(context, "vector_axis") if context.has("vector_axis") else None


def _unpacked(context: MilContext, name: str, bits: int) -> NDArray[Any]:
    """The packed elements of an input, in the shape that the operation states."""
    shape = context.ints("shape")
    packed, count = numbers(context, name, "u"), math.prod(shape)
    if packed.dtype != np.uint8 or min(shape, default=0) < 1 or packed.shape != (packed_bytes(count, bits),):
        raise InvalidModelError(
            f"{name!r} of shape {packed.shape} cannot hold {bits} bits for each element of {tuple(shape)}",
            where=context.where,
        )
    codes = packed if bits == 8 else unpack_elements(packed, bits, count)
    return codes.reshape(shape)


@converts("constexpr_affine_dequantize")
def convert_affine_dequantize(context: MilContext) -> None:
    """scale · (codes − zero point), with one scale for all or one for each index of an axis."""
    codes = numbers(context, "quantized_data")
    scale, zero_point = for_axis(
        context, codes.shape, numbers(context, "scale"), optional_numbers(context, "zero_point")
    )
    where = context.where
    context.output_decoded(
        lambda: shift_and_scale(codes, scale, zero_point, where), record=affine_record(codes, scale, zero_point)
    )


@converts("constexpr_blockwise_shift_scale")
def convert_blockwise_shift_scale(context: MilContext) -> None:
    """scale · (codes − offset), with one scale for each block."""
    codes, scale, offset = (
        numbers(context, "data"),
        numbers(context, "scale"),
        optional_numbers(context, "offset"),
    )
    where = context.where
    context.output_decoded(
        lambda: shift_and_scale(codes, scale, offset, where), record=affine_record(codes, scale, offset)
    )


@converts("constexpr_lut_to_dense")
def convert_lut_to_dense(context: MilContext) -> None:
    """Entries of one lookup table (iOS 16), or of one for each block, perhaps vectors (iOS 18)."""
    tables, where = numbers(context, "lut"), context.where
    if not context.has("shape"):
        indices, vector_axis = numbers(context, "indices", "u"), _vector_axis(context)
        record = progression_record(tables, getattr(context.bound("lut")[0], "record", None))
        context.output_decoded(lambda: look_up(indices, tables, vector_axis, where), record=record)
        return
    bits = tables.size.bit_length() - 1
    if tables.ndim != 1 or not 1 <= bits <= 8 or tables.size != 1 << bits:
        raise InvalidModelError(
            f"a lookup table of shape {tables.shape} goes with no number of bits", where=context.where
        )
    indices = _unpacked(context, "indices", bits)
    table = tables.reshape(*[1] * indices.ndim, -1, 1)
    context.output_decoded(lambda: look_up(indices, table, None, where), record=table_record(table))


@converts("constexpr_sparse_to_dense")
def convert_sparse_to_dense(context: MilContext) -> None:
    """Zeros, but the given elements where a mask has 1."""
    packed = context.has("shape")
    mask = _unpacked(context, "mask", 1) if packed else numbers(context, "mask", "u")
    kept = numbers(context, "nonzero_data")
    where = context.where
    context.output_decoded(lambda: spread(kept, mask, where), record=sparse_record(kept))


@converts("constexpr_lut_to_sparse")
def convert_lut_to_sparse(context: MilContext) -> None:
    """A lookup where a mask has 1; gives the mask (longer for vectors) and the elements found there."""
    mask, tables = numbers(context, "indices_mask", "u"), numbers(context, "lut")
    axis = _vector_axis(context)
    indices = spread(numbers(context, "indices_nonzero_data", "u"), mask, context.where)
    dense = look_up(indices, tables, axis, context.where)
    if dense.shape != mask.shape:
        mask = np.repeat(mask, tables.shape[-1], axis=axis)
    context.output(mask, 0)
    context.output(gather_places(dense, mask), 1)


@converts("constexpr_sparse_blockwise_shift_scale")
def convert_sparse_blockwise_shift_scale(context: MilContext) -> None:
    """scale · (codes − offset) where a mask has 1; gives the mask and the elements found there."""
    mask, scale = numbers(context, "data_mask", "u"), numbers(context, "scale")
    codes = spread(numbers(context, "nonzero_data"), mask, context.where)
    dense = shift_and_scale(codes, scale, optional_numbers(context, "offset"), context.where)
    context.output(mask, 0)
    context.output(gather_places(dense, mask), 1)


@converts("constexpr_cast")
def convert_cast(context: MilContext) -> None:
    """The same numbers as float32."""
    choice(context, "output_dtype", ("fp32",))
    context.output(numbers(context, "source_val").astype(np.float32), record=Float16Record())
