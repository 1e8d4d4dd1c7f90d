"""Elements of less than 8 bits packed least significant bit first, as weight files of ML Programs store them.

The layers of a NeuralNetwork pack the other way round, see :mod:`mltoolkit.formats.bit_packing`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Eight codes of n bits fill exactly n bytes.
_GROUP = 8
# Groups handled at once: keeps the words in the cache.
_BLOCK_GROUPS = 1 << 13


def packed_bytes(count: int, bits: int) -> int:
    """Bytes that ``count`` elements of ``bits`` bits take."""
    return (count * bits + 7) // 8


def pack_elements(codes: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """Pack codes of shape (n,), each below 2**bits, into ``packed_bytes(n, bits)`` bytes; spare bits are zero."""
    if bits == 8:
        return codes
    groups = np.zeros((-(-codes.size // _GROUP), _GROUP), dtype=np.uint8)
    groups.reshape(-1)[: codes.size] = codes
    packed = np.empty((len(groups), bits), dtype=np.uint8)
    for start in range(0, len(groups), _BLOCK_GROUPS):
        block = groups[start : start + _BLOCK_GROUPS]
        words = block[:, 0].astype("<u8")
        for position in range(1, _GROUP):
            words |= block[:, position].astype("<u8") << np.uint64(bits * position)
        packed[start : start + len(block)] = words.view(np.uint8).reshape(-1, 8)[:, :bits]
    return packed.reshape(-1)[: packed_bytes(codes.size, bits)]


def unpack_elements(data: NDArray[np.uint8], bits: int, count: int, *, signed: bool = False) -> NDArray[np.generic]:
    """Unpack elements.

    Args:
        data: at least ``packed_bytes(count, bits)`` bytes.
        bits: 1 to 7.
        count: number of elements.
        signed: whether the codes are two's complement.

    Returns:
        uint8, or int8 if signed, of shape ``(count,)``.
    """
    data = data[: packed_bytes(count, bits)]
    if bits == 1:
        codes = np.unpackbits(data, count=count, bitorder="little")
    elif bits in (2, 4):
        codes = _unpack_within_bytes(data, bits)[:count]
    else:
        codes = _unpack_across_bytes(data, bits, count)
    if not signed:
        return codes
    # The sign bit moves to the top of the byte and back, drawing copies of itself along.
    shift = 8 - bits
    return (codes << np.uint8(shift)).view(np.int8) >> np.int8(shift)


def _unpack_within_bytes(data: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    per_byte, mask = 8 // bits, np.uint8((1 << bits) - 1)
    codes = np.empty((data.size, per_byte), dtype=np.uint8)
    for position in range(per_byte):
        np.bitwise_and(data >> np.uint8(bits * position), mask, out=codes[:, position])
    return codes.reshape(-1)


def _unpack_across_bytes(data: NDArray[np.uint8], bits: int, count: int) -> NDArray[np.uint8]:
    codes = np.empty(-(-count // _GROUP) * _GROUP, dtype=np.uint8)
    step = _BLOCK_GROUPS * bits
    for start in range(0, data.size, step):
        block = data[start : start + step]
        if block.size % bits:
            block = np.concatenate([block, np.zeros(-block.size % bits, dtype=np.uint8)])
        columns = block.reshape(-1, bits)
        words = columns[:, 0].astype(np.uint64)
        for position in range(1, bits):
            words |= columns[:, position].astype(np.uint64) << np.uint64(8 * position)
        first = start // bits * _GROUP
        out = codes[first : first + words.size * _GROUP].reshape(-1, _GROUP)
        for position in range(_GROUP):
            out[:, position] = words >> np.uint64(bits * position) & np.uint64((1 << bits) - 1)
    return codes[:count]
