"""n-bit codes packed most significant bit first, as ``WeightParams.rawValue`` stores them.

Eight codes of n bits fill exactly n bytes, so codes are packed in groups of eight by shifts on 64-bit words.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import ArgumentError

_GROUP = 8
# Groups handled at once: keeps the 64-bit words in the cache.
_BLOCK_GROUPS = 1 << 13


def packed_size(count: int, nbits: int) -> int:
    """Bytes that ``count`` codes of ``nbits`` bits take."""
    return (count * nbits + 7) // 8


def _check_nbits(nbits: int) -> None:
    if isinstance(nbits, bool) or not isinstance(nbits, int) or not 1 <= nbits <= 8:
        raise ArgumentError(f"codes have 1 to 8 bits, not {nbits!r}")


def pack_codes(codes: NDArray[np.uint8], nbits: int) -> bytes:
    """Pack unsigned codes, most significant bit first; the last byte is filled up with zeros.

    Args:
        codes: any shape, uint8, each below 2**nbits; taken in row-major order.
        nbits: 1 to 8.

    Returns:
        ``packed_size(codes.size, nbits)`` bytes.

    Raises:
        ArgumentError: nbits is out of range, codes are not uint8 or a code does not fit.

    >>> pack_codes(np.array([1, 2, 3], dtype=np.uint8), 4).hex()
    '1230'
    """
    _check_nbits(nbits)
    if codes.dtype != np.uint8:
        raise ArgumentError(f"codes must be uint8, not {codes.dtype}")
    flat = np.ascontiguousarray(codes).reshape(-1)
    if flat.size and int(flat.max()) >> nbits:
        raise ArgumentError(f"the code {int(flat.max())} does not fit {nbits} bits")
    if nbits == 8:
        return flat.tobytes()
    size = packed_size(flat.size, nbits)
    if nbits == 1:
        return np.packbits(flat).tobytes()
    packed = np.empty(-(-flat.size // _GROUP) * nbits, dtype=np.uint8)
    step = _BLOCK_GROUPS * _GROUP
    for start in range(0, flat.size, step):
        block = flat[start : start + step]
        if block.size % _GROUP:
            block = np.concatenate([block, np.zeros(-block.size % _GROUP, dtype=np.uint8)])
        first = start // _GROUP * nbits
        packed[first : first + block.size // _GROUP * nbits] = _pack_block(block, nbits)
    return packed[:size].tobytes()


def _pack_block(block: NDArray[np.uint8], nbits: int) -> NDArray[np.uint8]:
    if nbits in (2, 4):
        # Whole bytes of 8 / nbits codes: no 64-bit word needed.
        per_byte = 8 // nbits
        columns = block.reshape(-1, per_byte)
        out = columns[:, 0] << np.uint8(8 - nbits)
        for position in range(1, per_byte):
            out |= columns[:, position] << np.uint8(8 - nbits * (position + 1))
        return out
    columns = block.reshape(-1, _GROUP)
    words = columns[:, 0].astype(np.uint64)
    for position in range(1, _GROUP):
        words <<= np.uint64(nbits)
        words |= columns[:, position]
    out = np.empty((words.size, nbits), dtype=np.uint8)  # the low n bytes of each word, big end first
    for position in range(nbits):
        out[:, position] = words >> np.uint64(8 * (nbits - 1 - position))
    return out.reshape(-1)


def unpack_codes(packed: bytes | memoryview, nbits: int, count: int) -> NDArray[np.uint8]:
    """Undo :func:`pack_codes`.

    Args:
        packed: at least ``packed_size(count, nbits)`` bytes.
        nbits: 1 to 8.
        count: number of codes.

    Returns:
        uint8 array of shape ``(count,)``; for 8 bits a read-only view of ``packed``.

    Raises:
        ArgumentError: nbits is out of range or ``packed`` is too short.
    """
    _check_nbits(nbits)
    size = packed_size(count, nbits)
    if count < 0 or len(packed) < size:
        raise ArgumentError(f"{count} codes of {nbits} bits take {size} bytes, not {len(packed)}")
    data = np.frombuffer(packed, dtype=np.uint8, count=size)
    if nbits == 8:
        return data
    if nbits == 1:
        return np.unpackbits(data, count=count)
    codes = np.empty(-(-count // _GROUP) * _GROUP, dtype=np.uint8)
    step = _BLOCK_GROUPS * nbits
    for start in range(0, size, step):
        block = data[start : start + step]
        if block.size % nbits:
            block = np.concatenate([block, np.zeros(-block.size % nbits, dtype=np.uint8)])
        first = start // nbits * _GROUP
        codes[first : first + block.size // nbits * _GROUP] = _unpack_block(block, nbits)
    return codes[:count]


def _unpack_block(block: NDArray[np.uint8], nbits: int) -> NDArray[np.uint8]:
    mask = (1 << nbits) - 1
    if nbits in (2, 4):
        per_byte = 8 // nbits
        out = np.empty((block.size, per_byte), dtype=np.uint8)
        for position in range(per_byte):
            np.bitwise_and(block >> (8 - nbits * (position + 1)), mask, out=out[:, position])
        return out.reshape(-1)
    groups = block.size // nbits
    columns = block.reshape(groups, nbits)
    words = columns[:, 0].astype(np.uint64)
    for position in range(1, nbits):
        words <<= np.uint64(8)
        words |= columns[:, position]
    out = np.empty((groups, _GROUP), dtype=np.uint8)
    for position in range(_GROUP):
        out[:, position] = words >> np.uint64(nbits * (_GROUP - 1 - position))
    out &= np.uint8(mask)
    return out.reshape(-1)
