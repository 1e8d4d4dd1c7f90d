"""Values that stand in an ML Program (MIL.proto, message Value), or in a weight file that it refers to."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import InvalidModelError
from mltoolkit.formats.mil_bits import packed_bytes, unpack_elements
from mltoolkit.formats.mil_types import ElementType, TensorType, read_type
from mltoolkit.formats.weight_blob import WeightFolder

# An immediate value beyond this is taken for a damaged file: coremltools puts ten elements and more into
# the weight file.
_MAX_LISTED = 1 << 26


def read_value(message: Any, weights: WeightFolder) -> Any:
    """What a ``Value`` message holds.

    Args:
        message: the message.
        weights: the files that it may refer to.

    Returns:
        A tensor or scalar as an array in its own type (shape () for a scalar; elements of less than 8 bits
        as 8-bit integers), a single string as ``str``, several as an array of objects, a list or tuple as
        ``list``, a dictionary as ``dict``.

    Raises:
        InvalidModelError: the value contradicts its type, or its weights do not lie where it says.
    """
    kind = message.WhichOneof("value")
    if kind == "blobFileValue":
        return _read_from_file(message, weights)
    if kind != "immediateValue":
        raise InvalidModelError("a constant of the program has no value")
    immediate = message.immediateValue
    form = immediate.WhichOneof("value")
    if form == "tensor":
        return _read_tensor(immediate.tensor, _tensor_type(message))
    if form in ("list", "tuple"):
        return [read_value(item, weights) for item in getattr(immediate, form).values]
    if form == "dictionary":
        pairs = [
            (_plain(read_value(pair.key, weights)), _plain(read_value(pair.value, weights)))
            for pair in immediate.dictionary.values
        ]
        return dict(pairs)
    raise InvalidModelError("a constant of the program has no value")


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value


def stored_size(message: Any) -> tuple[TensorType, int]:
    """The type of a tensor ``Value`` and the bytes that its elements take in the file.

    Raises:
        InvalidModelError: it is no tensor of known size.
    """
    described = _tensor_type(message)
    return described, packed_bytes(_count(described), described.element.bits)


def _tensor_type(message: Any) -> TensorType:
    described = read_type(message.type)
    if not isinstance(described, TensorType):
        raise InvalidModelError("a constant of the program holds a tensor but is not described as one")
    return described


def _count(described: TensorType) -> int:
    count = described.count
    if count is None:
        raise InvalidModelError(f"a constant of the program has an unknown size: {described}")
    return count


def _read_from_file(message: Any, weights: WeightFolder) -> NDArray[Any]:
    described = _tensor_type(message)
    count = _count(described)
    if described.element.kind == "string":
        raise InvalidModelError("texts cannot lie in a weight file")
    reference = message.blobFileValue
    values = weights.read(reference.fileName, int(reference.offset), described.element, count)
    return values.reshape(_sizes(described))


def _sizes(described: TensorType) -> tuple[int, ...]:
    return tuple(size or 0 for size in described.shape or ())


def _read_tensor(tensor: Any, described: TensorType) -> Any:
    count = _count(described)
    field = tensor.WhichOneof("value")
    element = described.element
    if field is None:
        if count:
            raise InvalidModelError(f"a constant of the program, {described}, has no elements")
        return np.zeros(_sizes(described), dtype=element.dtype)
    if field == "bytes":
        return _from_bytes(tensor.bytes.values, element, count).reshape(_sizes(described))
    listed = getattr(tensor, field).values
    if len(listed) != count or count > _MAX_LISTED:
        raise InvalidModelError(
            f"a constant of the program has {len(listed)} elements; its type {described} has {count}"
        )
    if (field == "strings") != (element.kind == "string"):
        raise InvalidModelError(f"a constant of the program holds {field} but is described as {described}")
    if field == "strings":
        if described.shape == ():
            return str(listed[0])
        texts = np.empty(count, dtype=object)
        texts[:] = list(listed)
        return texts.reshape(_sizes(described))
    # Reading through the widest type of the field finds values that the described type cannot hold.
    values: NDArray[Any] = np.array(
        listed, dtype={"floats": np.float32, "doubles": np.float64, "bools": np.bool_}.get(field, np.int64)
    )
    if element.kind == "int" and not element.packed:
        limits = np.iinfo(element.dtype)
        if values.size and not (limits.min <= values.min() and values.max() <= limits.max):
            raise InvalidModelError(f"a constant of the program does not fit its type {described}")
    return values.astype(element.dtype).reshape(_sizes(described))


def _from_bytes(data: bytes, element: ElementType, count: int) -> NDArray[Any]:
    expected = packed_bytes(count, element.bits)
    if element.kind in ("string", "bool") or len(data) != expected:
        raise InvalidModelError(
            f"a constant of the program has {len(data)} bytes; {count} elements of {element.name} take {expected}"
        )
    raw = np.frombuffer(data, dtype=np.uint8)
    if element.packed:
        return unpack_elements(raw, element.bits, count, signed=element.signed)
    return raw.view(element.dtype)
