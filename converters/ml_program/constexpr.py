"""Compressed weights: decoded once while the model is loaded, and whenever a session is made."""

from __future__ import annotations

from collections.abc import Callable

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.converters.ml_program.storage import affine_record, progression_record, sparse_record, table_record
from mltoolkit.formats.constexpr_values import Given, affine_scales, evaluate, parameters_of
from mltoolkit.graph.quantization_record import Float16Record, QuantizationRecord


def _given(context: MilContext) -> Given:
    return {name: context.stored(name) for name in parameters_of(context.operation)}


def _output_decoded(context: MilContext, record: Callable[[Given], QuantizationRecord | None]) -> None:
    """Hand over what the operation stands for; the record is asked for when it is known that it fits together."""
    given, kind, where = _given(context), context.operation.type, context.where
    context.output_decoded(lambda: evaluate(kind, given, where)[0], record=lambda: record(given))


def _output_mask_and_kept(context: MilContext) -> None:
    for index, array in enumerate(evaluate(context.operation.type, _given(context), context.where)):
        context.output(array, index)


@converts("constexpr_affine_dequantize")
def convert_affine_dequantize(context: MilContext) -> None:
    """scale · (codes − zero point), with one scale for all or one for each index of an axis."""
    where = context.where
    _output_decoded(context, lambda given: affine_record(given["quantized_data"], *affine_scales(given, where)))


@converts("constexpr_blockwise_shift_scale")
def convert_blockwise_shift_scale(context: MilContext) -> None:
    """scale · (codes − offset), with one scale for each block."""
    _output_decoded(context, lambda given: affine_record(given["data"], given["scale"], given.get("offset")))


@converts("constexpr_lut_to_dense")
def convert_lut_to_dense(context: MilContext) -> None:
    """Entries of one lookup table (iOS 16), or of one for each block, perhaps vectors (iOS 18)."""

    def record(given: Given) -> QuantizationRecord | None:
        tables = given["lut"]
        if "shape" in given:
            return table_record(tables.reshape(*[1] * given["shape"].size, -1, 1))
        return progression_record(tables, getattr(context.bound("lut")[0], "record", None))

    _output_decoded(context, record)


@converts("constexpr_sparse_to_dense")
def convert_sparse_to_dense(context: MilContext) -> None:
    """Zeros, but the given elements where a mask has 1."""
    _output_decoded(context, lambda given: sparse_record(given["nonzero_data"]))


@converts("constexpr_lut_to_sparse")
def convert_lut_to_sparse(context: MilContext) -> None:
    """A lookup where a mask has 1; gives the mask (longer for vectors) and the elements found there."""
    _output_mask_and_kept(context)


@converts("constexpr_sparse_blockwise_shift_scale")
def convert_sparse_blockwise_shift_scale(context: MilContext) -> None:
    """scale · (codes − offset) where a mask has 1; gives the mask and the elements found there."""
    _output_mask_and_kept(context)


@converts("constexpr_cast")
def convert_cast(context: MilContext) -> None:
    """The same numbers as float32."""
    (floats,) = evaluate(context.operation.type, _given(context), context.where)
    context.output(floats, record=Float16Record())
