"""Types of the Model Intermediate Language (MIL.proto): elements, tensors, lists, dictionaries, states."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from mltoolkit.errors import InvalidModelError

# Core ML's own limit of the rank is 5; compressed weights and programs of others may have more.
_MAX_RANK = 32
# No axis of a real tensor is longer; products of a few such sizes still fit into 64 bits.
_MAX_SIZE = (1 << 31) - 1


@dataclass(frozen=True)
class ElementType:
    """A type of tensor elements.

    Attributes:
        name: as NumPy and MIL's text form call it: ``float16``, ``int4``, ``bool``, ``string``.
        bits: what one element takes in a weight file; 0 for strings.
        kind: ``float``, ``int``, ``bool`` or ``string``.
        signed: whether integers are signed.
    """

    name: str
    bits: int
    kind: str
    signed: bool = True

    @property
    def packed(self) -> bool:
        """Whether several elements share a byte."""
        return 0 < self.bits < 8

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy type that holds the values; packed ones are widened to 8 bits, strings are objects."""
        if self.kind == "string":
            return np.dtype(object)
        if self.packed:
            return np.dtype(np.int8 if self.signed else np.uint8)
        if self.name == "bfloat16" or self.name.startswith("float8"):
            import ml_dtypes

            kind: type[Any] = getattr(ml_dtypes, self.name)
            return np.dtype(kind)
        return np.dtype(self.name)


# MIL.proto, enum DataType.
_ELEMENT_TYPES = {
    1: ElementType("bool", 8, "bool"),
    2: ElementType("string", 0, "string"),
    10: ElementType("float16", 16, "float"),
    11: ElementType("float32", 32, "float"),
    12: ElementType("float64", 64, "float"),
    13: ElementType("bfloat16", 16, "float"),
    21: ElementType("int8", 8, "int"),
    22: ElementType("int16", 16, "int"),
    23: ElementType("int32", 32, "int"),
    24: ElementType("int64", 64, "int"),
    25: ElementType("int4", 4, "int"),
    31: ElementType("uint8", 8, "int", signed=False),
    32: ElementType("uint16", 16, "int", signed=False),
    33: ElementType("uint32", 32, "int", signed=False),
    34: ElementType("uint64", 64, "int", signed=False),
    35: ElementType("uint4", 4, "int", signed=False),
    36: ElementType("uint2", 2, "int", signed=False),
    37: ElementType("uint1", 1, "int", signed=False),
    38: ElementType("uint6", 6, "int", signed=False),
    39: ElementType("uint3", 3, "int", signed=False),
    40: ElementType("float8_e4m3fn", 8, "float"),
    41: ElementType("float8_e5m2", 8, "float"),
}


@cache
def element_type(data_type: int) -> ElementType:
    """The element type of a ``DataType`` number.

    Raises:
        InvalidModelError: there is no such type.
    """
    if data_type not in _ELEMENT_TYPES:
        raise InvalidModelError(f"the program uses the unknown data type {data_type}")
    return _ELEMENT_TYPES[data_type]


@cache
def element_named(name: str) -> tuple[int, ElementType]:
    """The ``DataType`` number and the element type of a name such as ``uint4``."""
    return next((number, element) for number, element in _ELEMENT_TYPES.items() if element.name == name)


@dataclass(frozen=True)
class TensorType:
    """A tensor, or a scalar where ``shape`` is empty.

    Attributes:
        element: type of the elements.
        shape: sizes, None where one is only known later; None altogether where not even the rank is known.
    """

    element: ElementType
    shape: tuple[int | None, ...] | None

    @property
    def count(self) -> int | None:
        """The number of elements, None where a size is unknown."""
        if self.shape is None or None in self.shape:
            return None
        return math.prod(size for size in self.shape if size is not None)

    def __str__(self) -> str:
        if self.shape is None:
            return f"{self.element.name}[…]"
        return f"{self.element.name}[{', '.join('?' if size is None else str(size) for size in self.shape)}]"


@dataclass(frozen=True)
class ListType:
    """A list of equal elements; ``length`` is None where it grows."""

    element: MilType
    length: int | None


@dataclass(frozen=True)
class TupleType:
    """Several values in one."""

    elements: tuple[MilType, ...]


@dataclass(frozen=True)
class DictionaryType:
    """Values by key."""

    key: MilType
    value: MilType


@dataclass(frozen=True)
class StateType:
    """A tensor that lives from one prediction to the next."""

    wrapped: MilType


MilType = TensorType | ListType | TupleType | DictionaryType | StateType


def read_type(message: Any) -> MilType:
    """The type that a ``ValueType`` message describes.

    Raises:
        InvalidModelError: it describes none, or an impossible one.
    """
    kind = message.WhichOneof("type")
    if kind == "tensorType":
        return _read_tensor_type(message.tensorType)
    if kind == "listType":
        return ListType(read_type(message.listType.type), _read_size(message.listType.length))
    if kind == "tupleType":
        return TupleType(tuple(read_type(item) for item in message.tupleType.types))
    if kind == "dictionaryType":
        dictionary = message.dictionaryType
        return DictionaryType(read_type(dictionary.keyType), read_type(dictionary.valueType))
    if kind == "stateType":
        return StateType(read_type(message.stateType.wrappedType))
    raise InvalidModelError("the program has a value without a type")


def _read_tensor_type(message: Any) -> TensorType:
    element = element_type(message.dataType)
    if message.rank < 0 or any(size.unknown.variadic for size in message.dimensions if _is_unknown(size)):
        return TensorType(element, None)
    if message.rank != len(message.dimensions):
        raise InvalidModelError(
            f"a tensor of the program is said to have rank {message.rank} and {len(message.dimensions)} sizes"
        )
    if message.rank > _MAX_RANK:
        raise InvalidModelError(f"a tensor of the program has more than {_MAX_RANK} dimensions")
    return TensorType(element, tuple(_read_size(size) for size in message.dimensions))


def _is_unknown(dimension: Any) -> bool:
    return bool(dimension.WhichOneof("dimension") == "unknown")


def _read_size(dimension: Any) -> int | None:
    if dimension.WhichOneof("dimension") != "constant":
        return None
    size = int(dimension.constant.size)
    if size > _MAX_SIZE:
        raise InvalidModelError(f"a tensor of the program has the impossible size {size}")
    return size
