"""n-bit codes against coremltools' own packing, which is slow but the reference."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mltoolkit.errors import ArgumentError
from mltoolkit.formats.bit_packing import _BLOCK_GROUPS, pack_codes, packed_size, unpack_codes

NBITS = range(1, 9)


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    from coremltools.models.neural_network import quantization_utils

    return quantization_utils


@st.composite
def codes_and_bits(draw: st.DrawFn) -> tuple[np.ndarray, int]:
    nbits = draw(st.integers(1, 8))
    values = draw(st.lists(st.integers(0, (1 << nbits) - 1), min_size=1, max_size=70))
    return np.array(values, dtype=np.uint8), nbits


@settings(max_examples=200, deadline=None)
@given(codes_and_bits())
def test_packing_equals_coremltools(reference: ModuleType, case: tuple[np.ndarray, int]) -> None:
    codes, nbits = case
    expected = reference._convert_array_to_nbit_quantized_bytes(codes, nbits).tobytes()
    assert pack_codes(codes, nbits) == expected


@settings(max_examples=200, deadline=None)
@given(codes_and_bits())
def test_unpacking_equals_coremltools(reference: ModuleType, case: tuple[np.ndarray, int]) -> None:
    codes, nbits = case
    packed = pack_codes(codes, nbits)
    expected = reference._unpack_to_bytes(np.frombuffer(packed, np.uint8), codes.size, nbits)
    found = unpack_codes(packed, nbits, codes.size)
    assert found.dtype == np.uint8
    assert found.tolist() == expected.tolist() == codes.tolist()


@pytest.mark.parametrize("nbits", NBITS)
def test_every_code_in_every_place_of_a_group(reference: ModuleType, nbits: int) -> None:
    grid = np.arange(1 << nbits, dtype=np.uint8)
    codes = np.concatenate([np.roll(grid, shift) for shift in range(8)])
    packed = pack_codes(codes, nbits)
    assert packed == reference._convert_array_to_nbit_quantized_bytes(codes, nbits).tobytes()
    assert np.array_equal(unpack_codes(packed, nbits, codes.size), codes)


@pytest.mark.parametrize("nbits", NBITS)
@pytest.mark.parametrize("extra", [-8, -1, 0, 1, 7, 9])
def test_round_trip_at_the_edges_of_a_block(nbits: int, extra: int) -> None:
    count = 8 * _BLOCK_GROUPS + extra
    codes = np.random.default_rng(nbits).integers(0, 1 << nbits, count, dtype=np.uint8)
    packed = pack_codes(codes, nbits)
    assert len(packed) == packed_size(count, nbits)
    assert np.array_equal(unpack_codes(packed, nbits, count), codes)


@pytest.mark.parametrize("nbits", NBITS)
def test_unused_bits_of_the_last_byte_are_zero(nbits: int) -> None:
    codes = np.full(3, (1 << nbits) - 1, dtype=np.uint8)
    bits = "".join(f"{byte:08b}" for byte in pack_codes(codes, nbits))
    assert bits == "1" * (3 * nbits) + "0" * (len(bits) - 3 * nbits)


@pytest.mark.parametrize("nbits", NBITS)
def test_nothing_packs_to_nothing(nbits: int) -> None:
    assert pack_codes(np.zeros(0, np.uint8), nbits) == b""
    assert unpack_codes(b"", nbits, 0).shape == (0,)


@pytest.mark.parametrize("nbits", NBITS)
def test_arrays_of_any_layout_are_taken_in_row_major_order(nbits: int) -> None:
    codes = np.random.default_rng(1).integers(0, 1 << nbits, (5, 7), dtype=np.uint8)
    assert pack_codes(codes.T, nbits) == pack_codes(codes.T.copy().reshape(-1), nbits)
    assert pack_codes(codes[::2, ::-1], nbits) == pack_codes(codes[::2, ::-1].copy(), nbits)


def test_bytes_beyond_the_codes_are_ignored() -> None:
    assert unpack_codes(b"\x12\x30\xff\xff", 4, 3).tolist() == [1, 2, 3]


@pytest.mark.parametrize("nbits", [0, 9, -1, 4.5, "8", True, None])
def test_bits_out_of_range_are_refused(nbits: object) -> None:
    with pytest.raises(ArgumentError, match="1 to 8 bits"):
        pack_codes(np.zeros(1, np.uint8), nbits)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="1 to 8 bits"):
        unpack_codes(b"\0", nbits, 1)  # type: ignore[arg-type]


def test_codes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ArgumentError, match="the code 8 does not fit 3 bits"):
        pack_codes(np.array([1, 8], np.uint8), 3)
    with pytest.raises(ArgumentError, match="uint8, not int64"):
        pack_codes(np.array([1, 2]), 3)


@pytest.mark.parametrize(("packed", "count"), [(b"\0", 3), (b"", 1), (b"\0", -1)])
def test_too_few_bytes_are_refused(packed: bytes, count: int) -> None:
    with pytest.raises(ArgumentError, match="take"):
        unpack_codes(packed, 4, count)
