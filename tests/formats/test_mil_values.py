"""Constants that stand in an ML Program, and their types."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mil_programs import tensor_type, value

from mltoolkit.errors import InvalidModelError
from mltoolkit.formats.mil_types import DictionaryType, ListType, StateType, TensorType, read_type
from mltoolkit.formats.mil_values import read_value
from mltoolkit.formats.protobuf import proto_module
from mltoolkit.formats.weight_blob import WeightFolder

NO_WEIGHTS = WeightFolder()


@pytest.mark.parametrize(
    "content",
    [
        np.float32(1.5),
        np.float16(-2),
        np.int32(-7),
        np.bool_(True),
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.arange(6, dtype=np.float16).reshape(3, 2),
        np.array([-128, 127], dtype=np.int8),
        np.array([0, 255], dtype=np.uint8),
        np.array([-5, 1 << 30], dtype=np.int32),
        np.array([-5, 300], dtype=np.int16),
        np.array([True, False]),
        np.zeros((0, 3), dtype=np.float32),
    ],
)
def test_tensors_come_back_in_their_type(content: Any) -> None:
    found = read_value(value(content), NO_WEIGHTS)
    expected = np.asarray(content)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    assert np.array_equal(found, expected)


def test_texts_lists_and_dictionaries() -> None:
    assert read_value(value("same"), NO_WEIGHTS) == "same"
    assert read_value(value(["a", "b"]), NO_WEIGHTS) == ["a", "b"]
    message = proto_module("MIL_pb2").Value()
    pair = message.immediateValue.dictionary.values.add()
    pair.key.CopyFrom(value("n"))
    pair.value.CopyFrom(value(3))
    assert read_value(message, NO_WEIGHTS) == {"n": 3}


@pytest.mark.parametrize(("dtype", "bits"), [("INT4", 4), ("UINT3", 3), ("UINT1", 1)])
def test_packed_bytes(dtype: str, bits: int) -> None:
    mil = proto_module("MIL_pb2")
    message = mil.Value()
    message.type.CopyFrom(tensor_type("int8", (5,)))
    message.type.tensorType.dataType = mil.DataType.Value(dtype)
    message.immediateValue.tensor.bytes.values = b"\xff" * ((5 * bits + 7) // 8)
    expected = -1 if dtype == "INT4" else (1 << bits) - 1
    assert read_value(message, NO_WEIGHTS).tolist() == [expected] * 5


def wrong_count() -> Any:
    message = value(np.arange(3, dtype=np.float32))
    message.immediateValue.tensor.floats.values.append(1)
    return message


def wrong_bytes() -> Any:
    message = value(np.arange(3, dtype=np.float16))
    message.immediateValue.tensor.bytes.values = b"\0" * 5
    return message


def too_large_for_its_type() -> Any:
    message = value(np.arange(3, dtype=np.int16))
    message.immediateValue.tensor.ints.values[0] = 1 << 20
    return message


def text_as_number() -> Any:
    message = value("text")
    message.type.CopyFrom(tensor_type("float32", ()))
    return message


def unknown_size() -> Any:
    message = value(np.arange(3, dtype=np.float32))
    message.type.CopyFrom(tensor_type("float32", (None,)))
    return message


def huge_without_elements() -> Any:
    message = value(np.zeros(0, dtype=np.float32))
    message.type.CopyFrom(tensor_type("float32", (1 << 31, 1 << 31)))
    return message


def no_value() -> Any:
    message = proto_module("MIL_pb2").Value()
    message.type.CopyFrom(tensor_type("float32", ()))
    return message


def unknown_data_type() -> Any:
    message = value(1.0)
    message.type.tensorType.dataType = 0
    return message


@pytest.mark.parametrize(
    "make",
    [
        wrong_count,
        wrong_bytes,
        too_large_for_its_type,
        text_as_number,
        unknown_size,
        huge_without_elements,
        no_value,
        unknown_data_type,
    ],
)
def test_contradictions_are_refused(make: Any) -> None:
    with pytest.raises(InvalidModelError):
        read_value(make(), NO_WEIGHTS)


def test_types_of_every_kind() -> None:
    tensor = read_type(tensor_type("float16", (2, None)))
    assert isinstance(tensor, TensorType)
    assert (tensor.shape, tensor.count, str(tensor)) == ((2, None), None, "float16[2, ?]")
    mil = proto_module("MIL_pb2")
    listed, mapped, state = mil.ValueType(), mil.ValueType(), mil.ValueType()
    listed.listType.type.CopyFrom(tensor_type("string", ()))
    listed.listType.length.constant.size = 4
    mapped.dictionaryType.keyType.CopyFrom(tensor_type("string", ()))
    mapped.dictionaryType.valueType.CopyFrom(tensor_type("float32", ()))
    state.stateType.wrappedType.CopyFrom(tensor_type("float16", (3,)))
    assert isinstance(read_type(listed), ListType)
    assert read_type(listed).length == 4  # type: ignore[union-attr]
    assert isinstance(read_type(mapped), DictionaryType)
    assert isinstance(read_type(state), StateType)


@pytest.mark.parametrize("rank", [-1, 33])
def test_impossible_types(rank: int) -> None:
    message = tensor_type("float32", (1,) * 33 if rank == 33 else ())
    message.tensorType.rank = rank
    if rank == -1:
        found = read_type(message)
        assert isinstance(found, TensorType)
        assert found.shape is None
        return
    with pytest.raises(InvalidModelError):
        read_type(message)
