"""The top level of a protobuf message, field by field, for files that the parser refuses.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from dataclasses import dataclass

_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {_FIXED64: 8, _FIXED32: 4}


@dataclass(frozen=True)
class WireScan:
    """What the top level of a message looks like.

    Attributes:
        fields: the field numbers met, in order.
        missing_bytes: how many bytes the last field lacks; 0 where the data end with a field.
        well_formed: whether everything met is protobuf (a last field cut short is).
    """

    fields: tuple[int, ...]
    missing_bytes: int
    well_formed: bool


def scan_wire(data: bytes | memoryview, limit: int = 1000) -> WireScan:
    """Walk over the fields of a message without entering them; at most ``limit`` fields."""
    fields: list[int] = []
    position = 0
    while position < len(data) and len(fields) < limit:
        key, position = _read_varint(data, position)
        if key is None:
            return WireScan(tuple(fields), int(position > len(data)), position > len(data))
        number, wire_type = key >> 3, key & 7
        if number == 0:
            return WireScan(tuple(fields), 0, False)
        if wire_type in _FIXED_SIZES:
            size: int | None = _FIXED_SIZES[wire_type]
        elif wire_type in (_VARINT, _LENGTH_DELIMITED):
            size, position = _read_varint(data, position)
            if size is None:
                return WireScan((*fields, number), int(position > len(data)), position > len(data))
            if wire_type == _VARINT:
                size = 0
        else:
            return WireScan(tuple(fields), 0, False)
        fields.append(number)
        position += size or 0
    return WireScan(tuple(fields), max(position - len(data), 0), True)


def _read_varint(data: bytes | memoryview, position: int) -> tuple[int | None, int]:
    """The number and the position behind it.

    It is None where the number has more than ten bytes, and where it is cut.
    Then the position is past the end.
    """
    value = 0
    for index in range(10):
        if position + index >= len(data):
            return None, len(data) + 1
        byte = data[position + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position + index + 1
    return None, position
