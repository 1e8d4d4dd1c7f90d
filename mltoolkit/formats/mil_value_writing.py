"""Values of an ML Program from arrays: short ones in the program itself, others in its weight file."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.formats.mil_bits import pack_elements
from mltoolkit.formats.mil_types import element_named
from mltoolkit.formats.protobuf import proto_module
from mltoolkit.formats.weight_blob import BLOB_TYPES
from mltoolkit.formats.weight_blob_writing import REFERENCE, WeightFileWriter
from mltoolkit.formats.weight_record_writing import record_bytes

# coremltools puts arrays of ten elements and more into the weight file.
_IN_FILE_FROM = 10
_FIELDS = {"float32": "floats", "int32": "ints", "bool": "bools"}


def tensor_type(name: str, shape: tuple[int, ...]) -> Any:
    """The ``ValueType`` message of a tensor with elements of that name, such as ``uint4``."""
    message = proto_module("MIL_pb2").ValueType()
    message.tensorType.dataType = element_named(name)[0]
    message.tensorType.rank = len(shape)
    for size in shape:
        message.tensorType.dimensions.add().constant.size = size
    return message


def array_value(array: NDArray[Any], element: str, writer: WeightFileWriter) -> Any:
    """The ``Value`` message of an array.

    Args:
        array: the elements; those of less than 8 bits as 8-bit integers.
        element: the name of their type, such as ``uint4``.
        writer: the weight file, which gets arrays of ten elements and more.
    """
    message = proto_module("MIL_pb2").Value()
    message.type.CopyFrom(tensor_type(element, array.shape))
    described = element_named(element)[1]
    if array.size >= _IN_FILE_FROM and element in BLOB_TYPES.values():
        message.blobFileValue.fileName = REFERENCE
        message.blobFileValue.offset = writer.append(array, described)
        return message
    tensor = message.immediateValue.tensor
    if element in _FIELDS:
        field = getattr(tensor, _FIELDS[element])
        field.SetInParent()
        field.values.extend(array.reshape(-1).tolist())
    elif described.packed:
        mask = np.uint8((1 << described.bits) - 1)
        tensor.bytes.values = pack_elements(array.reshape(-1).view(np.uint8) & mask, described.bits).tobytes()
    else:
        tensor.bytes.values = np.ascontiguousarray(array).tobytes()
    return message


def text_value(text: str) -> Any:
    """The ``Value`` message of a text."""
    message = proto_module("MIL_pb2").Value()
    message.type.CopyFrom(tensor_type("string", ()))
    message.immediateValue.tensor.strings.values.append(text)
    return message


def array_bytes(count: int, bits: int) -> int:
    """What an array of so many elements takes: its record in the weight file, or its bytes in the program."""
    return record_bytes(count, bits) if count >= _IN_FILE_FROM else (count * bits + 7) // 8
