"""A model's message without its weights: copying and measuring it without the weights twice in memory.

protobuf keeps the whole tree of a message in one arena whose memory is only freed together, so copying a
model and then replacing its weights would keep the old ones alive.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from mltoolkit.formats.varint import varint

_WEIGHT = "CoreML.Specification.WeightParams"
_VALUES = ("floatValue", "float16Value", "rawValue", "int8RawValue", "quantization")
# Wire types of the protobuf encoding.
_VARINT, _FIXED64, _BYTES, _GROUP_END, _FIXED32 = 0, 1, 2, 4, 5


def copy_without_weights(message: Any) -> Any:
    """A new message equal to ``message``, with every ``WeightParams`` in it present but without values."""
    target = type(message)()
    _copy(message, target)
    return target


def serialized_bytes(message: Any) -> int:
    """The size of the file that ``message`` makes, found without serialising its weights.

    >>> from mltoolkit.formats.protobuf import new_model
    >>> serialized_bytes(new_model())
    0
    """
    if not _holds_weights(message.DESCRIPTOR):
        return int(message.ByteSize())
    rest = type(message)()
    size = 0
    for field, value in message.ListFields():
        if message.DESCRIPTOR.full_name == _WEIGHT and field.name in _VALUES:
            size += _record(field.number, _payload(field, value))
        elif field.message_type is not None and _holds_weights(field.message_type):
            for item in [value] if isinstance(value, Message) else value:
                size += _record(field.number, serialized_bytes(item))
        else:
            _copy_field(value, rest, field.name)
    rest.MergeFromString(_unknown_fields(message))
    return size + int(rest.ByteSize())


def _payload(field: Any, value: Any) -> int:
    if field.name == "floatValue":
        return 4 * len(value)
    return int(value.ByteSize()) if isinstance(value, Message) else len(value)


def _record(number: int, length: int) -> int:
    return len(varint(number << 3)) + len(varint(length)) + length


@cache
def _holds_weights(descriptor: Any) -> bool:
    """Whether a message of this type can contain a ``WeightParams``."""
    seen, waiting = set(), [descriptor]
    while waiting:
        current = waiting.pop()
        if current.full_name == _WEIGHT:
            return True
        for field in current.fields:
            if field.message_type is not None and field.message_type.full_name not in seen:
                seen.add(field.message_type.full_name)
                waiting.append(field.message_type)
    return False


def _copy(source: Any, target: Any) -> None:
    for field, value in source.ListFields():
        if source.DESCRIPTOR.full_name == _WEIGHT and field.name in _VALUES:
            continue
        if field.message_type is None or not _holds_weights(field.message_type):
            _copy_field(value, target, field.name)
        elif isinstance(value, Message):
            copy = getattr(target, field.name)
            copy.SetInParent()
            _copy(value, copy)
        else:
            for item in value:
                _copy(item, getattr(target, field.name).add())
    target.MergeFromString(_unknown_fields(source))


def _copy_field(value: Any, target: Any, name: str) -> None:
    if isinstance(value, Message):
        getattr(target, name).CopyFrom(value)
    elif isinstance(value, (bool, int, float, str, bytes)):
        setattr(target, name, value)
    else:
        getattr(target, name).MergeFrom(value)  # repeated, or a map


def _unknown_fields(message: Any) -> bytes:
    """Fields that a newer version of the format added, as they were in the file."""
    unknown: Iterable[Any] = UnknownFieldSet(message)  # type: ignore[assignment]  # a sequence, says its document
    return b"".join(map(_encode, unknown))


def _encode(field: Any) -> bytes:
    number, data = int(field.field_number), field.data
    tag = varint(number << 3 | field.wire_type)
    if field.wire_type == _VARINT:
        return tag + varint(data)
    if field.wire_type == _FIXED64:
        return tag + int(data).to_bytes(8, "little")
    if field.wire_type == _FIXED32:
        return tag + int(data).to_bytes(4, "little")
    if field.wire_type == _BYTES:
        return tag + varint(len(data)) + bytes(data)
    members = b"".join(_encode(member) for member in data)
    return tag + members + varint(number << 3 | _GROUP_END)
