"""``repeated float`` fields as NumPy arrays, without a Python object per value.

protobuf's Python containers box every float (seconds for a large model); the wire format of a packed
``repeated float`` is little-endian float32, so the serialised field is the array.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.formats.varint import varint

_LENGTH_DELIMITED = 2


def read_floats(message: Any, field_name: str) -> NDArray[np.float32]:
    """The values of ``message.field_name`` (a ``repeated float``), shape (n,), read-only."""
    field = getattr(message, field_name)
    count = len(field)
    if count < 64:
        return np.array(field, dtype=np.float32)
    if any(other.name != field_name for other, _ in message.ListFields()):
        alone = type(message)()
        getattr(alone, field_name).MergeFrom(field)
        message = alone
    wire = message.SerializePartialToString()
    return np.frombuffer(wire, dtype="<f4", count=count, offset=len(_header(message, field_name, 4 * count)))


def write_floats(message: Any, field_name: str, values: NDArray[np.floating]) -> None:
    """Replace ``message.field_name`` (a ``repeated float``) by ``values``, taken in row-major order."""
    message.ClearField(field_name)
    if not values.size:
        return
    payload = np.ascontiguousarray(values, dtype="<f4").tobytes()
    message.MergeFromString(_header(message, field_name, len(payload)) + payload)


def _header(message: Any, field_name: str, payload_bytes: int) -> bytes:
    number = message.DESCRIPTOR.fields_by_name[field_name].number
    return varint((number << 3) | _LENGTH_DELIMITED) + varint(payload_bytes)
