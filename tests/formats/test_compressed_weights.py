"""The decoders of compressed weights against element-by-element references."""

from __future__ import annotations

import itertools
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mltoolkit.errors import InvalidModelError
from mltoolkit.formats import compressed_weights
from mltoolkit.formats.compressed_weights import (
    gather_places,
    look_up,
    shift_and_scale,
    spread,
)

# (blocks, elements of a block) for each axis.
BLOCKS = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=4)


def block_of(index: tuple[int, ...], blocks: list[tuple[int, int]]) -> tuple[int, ...]:
    return tuple(position // size for position, (_, size) in zip(index, blocks, strict=True))


@given(BLOCKS, st.booleans(), st.sampled_from(["int8", "uint8", "float32"]), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_each_block_has_its_scale_and_offset(
    blocks: list[tuple[int, int]], shifted: bool, dtype: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 100, [count * size for count, size in blocks]).astype(dtype)
    scale = rng.uniform(0.5, 2, [count for count, _ in blocks]).astype(np.float32)
    offset = rng.integers(0, 100, scale.shape).astype(dtype) if shifted else None
    found = shift_and_scale(codes, scale, offset, "here")
    assert found.dtype == np.float32
    for index in np.ndindex(*codes.shape):
        block = block_of(index, blocks)
        shift = np.float32(0 if offset is None else offset[block])
        assert found[index] == (np.float32(codes[index]) - shift) * scale[block]


@given(BLOCKS, st.integers(1, 3), st.integers(-4, 3), st.integers(1, 4), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_each_block_has_its_table(blocks: list[tuple[int, int]], length: int, axis: int, piece: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    axis = axis % len(blocks)
    indices = rng.integers(0, 4, [count * size for count, size in blocks]).astype(np.uint8)
    tables = rng.normal(size=[*(count for count, _ in blocks), 4, length]).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        # Pieces of a few elements only: their borders must not show.
        patch.setattr(compressed_weights, "_PIECE", piece)
        found = look_up(indices, tables, axis, "here")
    shape = list(indices.shape)
    shape[axis] *= length
    assert found.shape == tuple(shape)
    for index in np.ndindex(*shape):
        source = list(index)
        source[axis] //= length
        entry = indices[tuple(source)]
        assert found[index] == tables[(*block_of(tuple(source), blocks), entry, index[axis] % length)]


def test_apple_s_own_examples_of_tables() -> None:
    # The docstring of iOS 18's constexpr_lut_to_dense, cases 1, 2.1 and 2.2.
    indices = np.array([2, 3, 3, 0, 1, 0, 3, 0, 2, 1, 0, 3], dtype=np.uint8).reshape(6, 2)
    tables = np.array([1, 5, 9, 13, 2, 10, 18, 26], dtype=np.float16).reshape(2, 1, 4, 1)
    expected = [[9, 13], [13, 1], [5, 1], [26, 2], [18, 10], [2, 26]]
    assert look_up(indices, tables, None, "").tolist() == expected
    bits = np.array([[[0, 0], [1, 0]], [[1, 1], [0, 0]]], dtype=np.uint8)
    a, b = [0, 1, 2], [10, 11, 12]
    vectors = np.array([a, b], dtype=np.int8).reshape(1, 1, 1, 2, 3)
    along_1 = look_up(bits, vectors, 1, "")
    assert along_1.dtype == np.int8, "an integer table may have a scale of its own"
    assert along_1[0].tolist() == [[0, 0], [1, 1], [2, 2], [10, 0], [11, 1], [12, 2]]
    assert look_up(bits, vectors, 2, "").tolist() == [[a + a, b + a], [b + b, a + a]]


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(0, 2**32 - 1))
def test_spread_and_gather_places_are_inverse(mask: list[bool], seed: int) -> None:
    bits = np.array(mask, dtype=np.uint8)
    nonzero = np.random.default_rng(seed).normal(size=int(bits.sum())).astype(np.float32)
    dense = spread(nonzero, bits, "here")
    assert np.array_equal(gather_places(dense, bits), nonzero)
    assert not dense[bits == 0].any()


CODES = np.zeros((4, 6), dtype=np.uint8)


@pytest.mark.parametrize(
    ("decode", "says"),
    [
        (lambda: shift_and_scale(CODES, np.ones((3, 1)), None, "w"), "do not divide"),
        (lambda: shift_and_scale(CODES, np.ones(4), None, "w"), "do not divide"),
        (lambda: shift_and_scale(CODES, np.ones((0, 1)), None, "w"), "do not divide"),
        (lambda: shift_and_scale(CODES, np.ones((4, 1)), np.ones((1, 1)), "w"), "but the offsets"),
        (lambda: shift_and_scale(np.array(1), np.array(1.0), None, "w"), "do not divide"),
        (lambda: look_up(CODES + 2, np.ones((1, 1, 2, 1)), None, "w"), "index is 2 but the table has 2"),
        (lambda: look_up(CODES, np.ones((1, 1, 0, 1)), None, "w"), "the table has 0"),
        (lambda: look_up(CODES, np.ones((1, 2, 1)), None, "w"), "tables of rank 3"),
        (lambda: look_up(CODES, np.ones((1, 5, 2, 1)), None, "w"), "do not divide"),
        (lambda: look_up(CODES, np.ones((1, 1, 2, 3)), None, "w"), "along the axis None"),
        (lambda: look_up(CODES, np.ones((1, 1, 2, 3)), 2, "w"), "along the axis 2"),
        (lambda: spread(np.ones(3), np.ones(4, dtype=np.uint8), "w"), "4 places"),
        (lambda: spread(np.ones((4, 1)), np.ones(4, dtype=np.uint8), "w"), "4 places"),
    ],
)
def test_what_does_not_fit_together_is_an_invalid_model(decode: Any, says: str) -> None:
    with pytest.raises(InvalidModelError, match=says) as caught:
        decode()
    assert caught.value.where == "w"


def test_long_vectors_of_a_small_table_are_refused_before_they_are_allocated() -> None:
    indices = np.zeros(1 << 20, dtype=np.uint8)
    table = np.broadcast_to(np.float32(1), (1, 1, 1 << 20))
    with pytest.raises(InvalidModelError, match="too many"):
        look_up(indices, table, 0, "here")


@pytest.mark.parametrize("kind", ["look_up", "shift_and_scale"])
def test_memory_beside_the_result_is_bounded(kind: str) -> None:
    codes = np.zeros((1024, 4096), dtype=np.uint8)
    parameters: dict[str, Any] = {
        "look_up": lambda: look_up(codes, np.zeros((1, 1, 16, 1), dtype=np.float16), None, ""),
        "shift_and_scale": lambda: shift_and_scale(
            codes, np.ones((1024, 1), dtype=np.float16), np.ones((1024, 1), dtype=np.uint8), ""
        ),
    }
    tracemalloc.start()
    result = parameters[kind]()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # 16 MB of result; a piece of 2¹⁸ elements has 8-byte positions, their sums and the entries: 6 MB.
    assert peak - result.nbytes < 8 << 20, f"peak {peak / 2**20:.1f} MB, result {result.nbytes / 2**20:.1f} MB"


def test_every_rank_up_to_six_is_decoded() -> None:
    for rank, per_axis in itertools.product(range(1, 7), (1, 2)):
        codes = np.ones([2] * rank, dtype=np.int8)
        found = shift_and_scale(codes, np.full([per_axis] * rank, 3, dtype=np.float32), None, "")
        assert np.array_equal(found, 3 * codes)
