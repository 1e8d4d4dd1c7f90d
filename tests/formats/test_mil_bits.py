"""Elements of less than 8 bits in weight files."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltoolkit.formats.mil_bits import packed_bytes, unpack_elements


def packed_one_by_one(codes: list[int], bits: int) -> np.ndarray:
    """The definition: all bits in a row, least significant first, cut into bytes."""
    number = sum((code & ((1 << bits) - 1)) << (bits * index) for index, code in enumerate(codes))
    return np.frombuffer(number.to_bytes(packed_bytes(len(codes), bits), "little"), dtype=np.uint8)


@given(st.data(), st.integers(1, 7), st.booleans())
def test_elements_come_back(data: st.DataObject, bits: int, signed: bool) -> None:
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    codes = data.draw(st.lists(st.integers(low, high), max_size=100))
    found = unpack_elements(packed_one_by_one(codes, bits), bits, len(codes), signed=signed)
    assert found.dtype == (np.int8 if signed else np.uint8)
    assert found.tolist() == codes


@pytest.mark.parametrize("bits", range(1, 8))
def test_blocks_join_without_a_seam(bits: int) -> None:
    # More than one block of 8192 groups, and an incomplete group at the end.
    codes = np.random.default_rng(bits).integers(0, 1 << bits, 8 * 8192 + 1003)
    packed = np.packbits((codes[:, None] >> np.arange(bits) & 1).astype(np.uint8), bitorder="little")
    assert np.array_equal(unpack_elements(packed, bits, codes.size), codes)
