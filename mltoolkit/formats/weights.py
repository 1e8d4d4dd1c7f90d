"""One weight of a neural network layer: ``WeightParams`` as arrays, in each of its encodings.

Source: NeuralNetwork.proto, messages WeightParams, QuantizationParams, LinearQuantizationParams and
LookUpTableQuantizationParams. A weight is stored as float32, float16, or unsigned codes of 1 to 8 bits, which
mean ``scale * code + bias`` (one scale and bias, or one per output channel) or ``table[code]``.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import InvalidModelError
from mltoolkit.formats.bit_packing import pack_codes, packed_size, unpack_codes
from mltoolkit.formats.float_field import read_floats, write_floats


class Encoding(enum.Enum):
    """How a weight is stored."""

    EMPTY = "empty"
    FLOAT32 = "float32"
    FLOAT16 = "float16"
    LINEAR = "linear"
    LOOKUP_TABLE = "lookup table"
    RAW = "raw bytes"


@dataclass(frozen=True)
class LinearCodes:
    """Codes with ``value = scale * code + bias``; scale and bias float32 of shape (1,) or (channels,)."""

    codes: NDArray[np.uint8]
    nbits: int
    scale: NDArray[np.float32]
    bias: NDArray[np.float32]


@dataclass(frozen=True)
class TableCodes:
    """Codes with ``value = table[code]``; table float32 of shape (2**nbits,)."""

    codes: NDArray[np.uint8]
    nbits: int
    table: NDArray[np.float32]


def encoding_of(params: Any) -> Encoding:
    """The encoding of a ``WeightParams`` message."""
    if len(params.floatValue):
        return Encoding.FLOAT32
    if params.float16Value:
        return Encoding.FLOAT16
    if not params.rawValue:
        return Encoding.EMPTY
    kind = params.quantization.WhichOneof("QuantizationType")
    if kind == "linearQuantization":
        return Encoding.LINEAR
    if kind == "lookupTableQuantization":
        return Encoding.LOOKUP_TABLE
    return Encoding.RAW


def bits_per_weight(params: Any) -> int:
    """Bits a value takes: 32, 16, or the number of bits of its code (8 for raw bytes, 0 when empty)."""
    encoding = encoding_of(params)
    if encoding in (Encoding.LINEAR, Encoding.LOOKUP_TABLE):
        return int(params.quantization.numberOfBits)
    return {Encoding.FLOAT32: 32, Encoding.FLOAT16: 16, Encoding.RAW: 8, Encoding.EMPTY: 0}[encoding]


def stored_bytes(params: Any) -> int:
    """Bytes of the values, with scales, biases and table."""
    quantization = params.quantization
    floats = (
        len(params.floatValue)
        + len(quantization.linearQuantization.scale)
        + len(quantization.linearQuantization.bias)
        + len(quantization.lookupTableQuantization.floatValue)
    )
    return 4 * floats + len(params.float16Value) + len(params.rawValue) + len(params.int8RawValue)


def check_size(params: Any, count: int, where: str) -> None:
    """Check that a weight holds ``count`` values, without decoding them.

    Raises:
        InvalidModelError: more or fewer values are stored, or its codes cannot be read.
    """
    encoding = encoding_of(params)
    if encoding is Encoding.FLOAT32:
        stored: float = len(params.floatValue)
    elif encoding is Encoding.FLOAT16:
        stored = len(params.float16Value) / 2
    elif encoding is Encoding.EMPTY:
        stored = 0
    elif encoding is Encoding.RAW:
        raise InvalidModelError(
            f"the weight holds {len(params.rawValue)} raw bytes without quantization parameters", where=where
        )
    else:
        _check_codes(params, encoding, count, where)
        return
    if stored != count:
        raise InvalidModelError(f"the weight holds {stored:g} values where the layer needs {count}", where=where)


def _check_codes(params: Any, encoding: Encoding, count: int, where: str) -> None:
    nbits = int(params.quantization.numberOfBits)
    if not 1 <= nbits <= 8:
        raise InvalidModelError(f"the weight is stored with {nbits} bits; Core ML knows 1 to 8", where=where)
    size = packed_size(count, nbits)
    if len(params.rawValue) != size:
        raise InvalidModelError(
            f"the weight holds {len(params.rawValue)} bytes where {count} codes of {nbits} bits take {size}",
            where=where,
        )
    if encoding is Encoding.LOOKUP_TABLE:
        entries = len(params.quantization.lookupTableQuantization.floatValue)
        if entries != 1 << nbits:
            raise InvalidModelError(
                f"the lookup table has {entries} entries where {nbits} bits need {1 << nbits}", where=where
            )


def read_codes(params: Any, count: int, where: str) -> LinearCodes | TableCodes:
    """The codes of a quantized weight.

    Args:
        params: a ``WeightParams`` message with linear or lookup-table quantization.
        count: the number of values the layer needs.
        where: layer and weight, for errors.

    Raises:
        InvalidModelError: the size, the number of bits or the table is wrong, or it is not quantized.
    """
    check_size(params, count, where)
    encoding = encoding_of(params)
    nbits = int(params.quantization.numberOfBits)
    if encoding is Encoding.LOOKUP_TABLE:
        table = read_floats(params.quantization.lookupTableQuantization, "floatValue")
        return TableCodes(unpack_codes(params.rawValue, nbits, count), nbits, table)
    if encoding is Encoding.LINEAR:
        linear = params.quantization.linearQuantization
        codes = unpack_codes(params.rawValue, nbits, count)
        scale, bias = read_floats(linear, "scale"), read_floats(linear, "bias")
        # Core ML's validator accepts codes without a bias, which then is zero.
        return LinearCodes(codes, nbits, scale, bias if bias.size else np.zeros_like(scale))
    raise InvalidModelError(f"the weight is stored as {encoding.value}, not as codes", where=where)


def read_weight(params: Any, shape: tuple[int, ...], where: str, channel_axis: int = 0) -> NDArray[np.float32]:
    """The values of a weight, whatever its encoding.

    Args:
        params: a ``WeightParams`` message.
        shape: the shape the layer gives it.
        where: layer and weight, for errors.
        channel_axis: the output channel axis, along which per-channel scales lie (1 for a deconvolution).

    Returns:
        float32 array of that shape; it may be read-only.

    Raises:
        InvalidModelError: the stored size does not match, or the codes cannot be decoded.
    """
    count = math.prod(shape)
    check_size(params, count, where)
    encoding = encoding_of(params)
    if encoding is Encoding.EMPTY:
        return np.zeros(shape, dtype=np.float32)
    if encoding is Encoding.FLOAT32:
        return read_floats(params, "floatValue").reshape(shape)
    if encoding is Encoding.FLOAT16:
        return np.frombuffer(params.float16Value, dtype="<f2").astype(np.float32).reshape(shape)
    return decode(read_codes(params, count, where), shape, where, channel_axis)


def decode(
    stored: LinearCodes | TableCodes, shape: tuple[int, ...], where: str, channel_axis: int = 0
) -> NDArray[np.float32]:
    """The float32 values that codes stand for, in the given shape.

    Raises:
        InvalidModelError: the number of scales or biases is neither 1 nor the number of channels.
    """
    if isinstance(stored, TableCodes):
        return stored.table[stored.codes].reshape(shape)
    values = stored.codes.reshape(shape).astype(np.float32)
    values *= _along_channel(stored.scale, shape, channel_axis, "scales", where)
    values += _along_channel(stored.bias, shape, channel_axis, "biases", where)
    return values


def _along_channel(
    factors: NDArray[np.float32], shape: tuple[int, ...], channel_axis: int, name: str, where: str
) -> NDArray[np.float32]:
    if factors.size == 1:
        return factors.reshape((1,) * len(shape))
    channels = shape[channel_axis] if shape else 1
    if factors.size != channels:
        raise InvalidModelError(
            f"the weight has {factors.size} quantization {name} where it needs 1 or {channels}", where=where
        )
    return factors.reshape([channels if axis == channel_axis else 1 for axis in range(len(shape))])


def _clear(params: Any) -> None:
    for field in ("floatValue", "float16Value", "rawValue", "quantization"):
        params.ClearField(field)


def write_float32(params: Any, values: NDArray[np.floating]) -> None:
    """Store values as float32, replacing what was there."""
    _clear(params)
    write_floats(params, "floatValue", values)


def write_float16(params: Any, values: NDArray[np.floating]) -> None:
    """Store values as float16, replacing what was there; values beyond ±65504 become infinite."""
    half = np.ascontiguousarray(values, dtype="<f2").tobytes()
    _clear(params)
    params.float16Value = half


def write_codes(params: Any, stored: LinearCodes | TableCodes) -> None:
    """Store codes, replacing what was there."""
    packed = pack_codes(stored.codes, stored.nbits)
    _clear(params)
    params.rawValue = packed
    params.quantization.numberOfBits = stored.nbits
    if isinstance(stored, TableCodes):
        write_floats(params.quantization.lookupTableQuantization, "floatValue", stored.table)
    else:
        write_floats(params.quantization.linearQuantization, "scale", stored.scale)
        write_floats(params.quantization.linearQuantization, "bias", stored.bias)
