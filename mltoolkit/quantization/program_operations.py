"""The operations of an ML Program that make up a weight, in the forms of iOS 16 and of iOS 18."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import QuantizationError
from mltoolkit.formats.deployment import IOS18
from mltoolkit.formats.mil_bits import pack_elements
from mltoolkit.formats.mil_types import element_named
from mltoolkit.formats.mil_value_writing import array_bytes, array_value, tensor_type, text_value
from mltoolkit.formats.program_weights import AffineCodes, GroupedCodes, SparseCodes, SparseWeight
from mltoolkit.formats.protobuf import proto_module
from mltoolkit.formats.weight_blob_writing import WeightFileWriter
from mltoolkit.formats.weights import LinearCodes, TableCodes
from mltoolkit.quantization.modes import Stored

# What stands in the place of names until the operations have a place in a program: that of the result, and of others,
# which are named after it.
RESULT, INNER = "?", "?codes"
_MASK, _KEPT = "?mask", "?kept"


class OperationWriter:
    """Makes operations, whose arrays go to a weight file.

    Args:
        writer: the weight file.
        version: the specification version of the program.
    """

    def __init__(self, writer: WeightFileWriter, version: int) -> None:
        self._writer = writer
        self._new_forms = version >= IOS18
        self._bytes = 0

    def operations(
        self, stored: Stored, shape: tuple[int, ...], channel_axis: int, element: str, where: str
    ) -> tuple[list[Any], int]:
        """The operations that stand for a weight; their results are named :data:`RESULT` and :data:`INNER`.

        Args:
            stored: the weight.
            shape: its shape.
            channel_axis: the axis of the output channels.
            element: the type of its elements in the program, ``float32`` or ``float16``.
            where: what it is, for errors.

        Returns:
            The messages, and the bytes that their arrays take.

        Raises:
            QuantizationError: the program's system has no such form.
        """
        self._bytes = 0
        if isinstance(stored, LinearCodes):
            stored = _affine_of(stored, shape, channel_axis, new_forms=self._new_forms, where=where)
        if isinstance(stored, TableCodes):
            made = [self._table(stored, shape, element)]
        elif isinstance(stored, GroupedCodes):
            made = self._grouped(stored, shape, element)
        elif isinstance(stored, AffineCodes):
            made = [self._affine(stored, element)]
        elif isinstance(stored, SparseWeight):
            made = [self._sparse(stored, element)]
        elif isinstance(stored, SparseCodes):
            made = self._sparse_codes(stored, element)
        elif stored.dtype == np.float16 and element == "float32":
            given = {"source_val": self._array(stored, "float16"), "output_dtype": text_value("fp32")}
            made = [self._operation("constexpr_cast", given, element, shape)]
        else:
            made = [self._const(stored.reshape(shape), element)]
        return made, self._bytes

    def _array(self, array: NDArray[Any], element: str) -> Any:
        self._bytes += array_bytes(array.size, element_named(element)[1].bits)
        return array_value(array, element, self._writer)

    def _floats(self, array: NDArray[np.float32], element: str) -> Any:
        return self._array(array.astype(element), element)

    def _operation(
        self, kind: str, given: Mapping[str, Any], element: str, shape: tuple[int, ...], name: str = RESULT
    ) -> Any:
        """An operation; ``given`` has messages, and texts where it names another operation's result."""
        operation = proto_module("MIL_pb2").Operation(type=kind)
        operation.attributes["name"].CopyFrom(text_value(name))
        for parameter, value in given.items():
            if not self._new_forms:
                operation.attributes[parameter].CopyFrom(value)
            elif isinstance(value, str):
                operation.inputs[parameter].arguments.add().name = value
            else:
                operation.inputs[parameter].arguments.add().value.CopyFrom(value)
        operation.outputs.add(name=name, type=tensor_type(element, shape))
        return operation

    def _const(self, array: NDArray[Any], element: str) -> Any:
        operation = proto_module("MIL_pb2").Operation(type="const")
        operation.attributes["name"].CopyFrom(text_value(RESULT))
        operation.attributes["val"].CopyFrom(self._array(array.astype(element, copy=False), element))
        operation.outputs.add(name=RESULT, type=tensor_type(element, array.shape))
        return operation

    def _table(self, stored: TableCodes, shape: tuple[int, ...], element: str) -> Any:
        if self._new_forms:
            tables = stored.table.reshape(*[1] * len(shape), -1, 1)
            return self._grouped(GroupedCodes(stored.codes.reshape(shape), stored.nbits, tables), shape, element)[0]
        given = {
            "indices": self._array(pack_elements(stored.codes.reshape(-1), stored.nbits), "uint8"),
            "lut": self._floats(stored.table, element),
            "shape": array_value(np.array(shape, dtype=np.uint32), "uint32", self._writer),
        }
        return self._operation("constexpr_lut_to_dense", given, element, shape)

    def _grouped(self, stored: GroupedCodes, shape: tuple[int, ...], element: str) -> list[Any]:
        given = {
            "indices": self._array(stored.codes, f"uint{stored.nbits}"),
            "lut": self._floats(stored.tables, element),
        }
        if stored.vector_axis is not None:
            given["vector_axis"] = array_value(np.array(stored.vector_axis, dtype=np.int32), "int32", self._writer)
        if stored.scale is None:
            return [self._operation("constexpr_lut_to_dense", given, element, shape)]
        looked_up = self._operation("constexpr_lut_to_dense", given, element, shape, INNER)
        scaling = {"data": INNER, "scale": self._floats(stored.scale, element)}
        return [looked_up, self._operation("constexpr_blockwise_shift_scale", scaling, element, shape)]

    def _affine(self, stored: AffineCodes, element: str) -> Any:
        codes, scale, zero_point = stored.codes, stored.scale, stored.zero_point
        kind = f"{'int' if codes.dtype == np.int8 else 'uint'}{stored.nbits}"
        if self._new_forms:
            given = {"data": self._array(codes, kind), "scale": self._floats(scale, element)}
            if zero_point is not None and zero_point.dtype == np.float32:
                given["offset"] = self._floats(zero_point.astype(np.float32), element)
            elif zero_point is not None:
                given["offset"] = self._array(zero_point, kind)
            return self._operation("constexpr_blockwise_shift_scale", given, element, codes.shape)
        along = [axis for axis, count in enumerate(scale.shape) if count > 1]
        form = (-1,) if along else ()
        zeros = np.zeros(scale.shape, dtype=codes.dtype) if zero_point is None else zero_point
        given = {
            "quantized_data": self._array(codes, kind),
            "zero_point": self._array(zeros.astype(codes.dtype).reshape(form), kind),
            "scale": self._floats(scale.reshape(form), element),
            "axis": array_value(np.array(along[0] if along else 0, dtype=np.int32), "int32", self._writer),
        }
        return self._operation("constexpr_affine_dequantize", given, element, codes.shape)

    def _sparse(self, stored: SparseWeight, element: str) -> Any:
        mask, shape = stored.mask, stored.mask.shape
        given = {"nonzero_data": self._floats(stored.kept, element)}
        if self._new_forms:
            given["mask"] = self._array(mask.astype(np.uint8), "uint1")
        else:
            given["mask"] = self._array(pack_elements(mask.reshape(-1).astype(np.uint8), 1), "uint8")
            given["shape"] = array_value(np.array(shape, dtype=np.uint32), "uint32", self._writer)
        return self._operation("constexpr_sparse_to_dense", given, element, shape)

    def _sparse_codes(self, stored: SparseCodes, element: str) -> list[Any]:
        """iOS 18: an operation that gives the mask and the kept values, and one that spreads them."""
        mask, coded, shape = stored.mask, stored.codes, stored.mask.shape
        mask_value = self._array(mask.astype(np.uint8), "uint1")
        if isinstance(coded, GroupedCodes):
            kind, codes = "constexpr_lut_to_sparse", self._array(coded.codes[mask], f"uint{coded.nbits}")
            given = {"indices_mask": mask_value, "indices_nonzero_data": codes}
            given["lut"] = self._floats(coded.tables, element)
        else:
            kind = "constexpr_sparse_blockwise_shift_scale"
            name = f"{'int' if coded.codes.dtype == np.int8 else 'uint'}{coded.nbits}"
            given = {"data_mask": mask_value, "nonzero_data": self._array(coded.codes[mask], name)}
            given["scale"] = self._floats(coded.scale, element)
            if coded.zero_point is not None:
                given["offset"] = self._array(coded.zero_point, name)
        first = self._operation(kind, given, "uint1", shape, _MASK)
        first.outputs.add(name=_KEPT, type=tensor_type(element, (int(np.count_nonzero(mask)),)))
        spreading = {"nonzero_data": _KEPT, "mask": _MASK}
        return [first, self._operation("constexpr_sparse_to_dense", spreading, element, shape)]


def _affine_of(
    stored: LinearCodes, shape: tuple[int, ...], channel_axis: int, *, new_forms: bool, where: str
) -> AffineCodes | TableCodes:
    """scale * code + bias as scale * (code - zero point), or as the table of its values where all share a scale."""
    codes, scale = stored.codes.reshape(shape), stored.scale
    counts = [1] * len(shape)
    if scale.size > 1:
        counts[channel_axis] = scale.size
    zero_point = np.where(scale == 0, 0, -stored.bias / np.where(scale == 0, 1, scale))
    whole = np.rint(zero_point)
    exact = np.array_equal(whole * -scale, stored.bias)
    exact = exact and bool(((whole >= 0) & (whole < 1 << stored.nbits)).all())
    native = stored.nbits in ((4, 8) if new_forms else (8,))
    if native and (exact or (new_forms and (scale != 0).all())):
        zeros = whole.astype(np.uint8) if exact else zero_point.astype(np.float32)
        return AffineCodes(codes, stored.nbits, scale.reshape(counts), zeros.reshape(counts))
    if scale.size == 1:
        numbers = np.arange(1 << stored.nbits, dtype=np.float32)
        return TableCodes(stored.codes.reshape(-1), stored.nbits, numbers * scale[0] + stored.bias[0])
    raise QuantizationError(
        "linear codes of an ML Program have whole zero points",
        where=where,
        fix="Round the bias to a multiple of the scale, or give minimum_deployment_target='iOS18'",
    )
