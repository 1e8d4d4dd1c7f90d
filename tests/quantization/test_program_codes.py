"""Codes of ML Programs against their formulas: any shape, any blocks, tables of groups and vectors."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mltoolkit.formats.program_weights import decode_stored
from mltoolkit.quantization.kmeans import kmeans_1d
from mltoolkit.quantization.program_linear import code_range, quantize_affine
from mltoolkit.quantization.program_tables import distinct_entries, grouped_tables
from mltoolkit.quantization.slots import Form
from mltoolkit.quantization.vector_kmeans import kmeans_vectors

# (blocks, values of a block) for each axis.
BLOCKS = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 4)), min_size=1, max_size=4)
SCALES = st.sampled_from([1e-30, 1e-8, 1e-3, 1.0, 1e6, 1e30])


@settings(deadline=None)
@given(
    BLOCKS, st.integers(0, 10_000), SCALES, st.floats(-2, 2), st.sampled_from([4, 8]), st.booleans(), st.booleans(),
    st.booleans(),
)  # fmt: skip
# A scale of 5e-7, of which float16 holds three bits.
@example([(1, 1)], 0, 1e-3, 0.0, 8, False, False, True)
def test_affine_codes_are_the_nearest_of_their_block(
    blocks: list[tuple[int, int]],
    seed: int,
    scale: float,
    shift: float,
    nbits: int,
    symmetric: bool,
    signed: bool,
    half: bool,
) -> None:
    counts = tuple(count for count, _ in blocks)
    shape = tuple(count * size for count, size in blocks)
    values = (np.random.default_rng(seed).normal(shift, 1, shape) * scale).astype(np.float32)
    if half:
        values = np.clip(values, -6e4, 6e4).astype(np.float16).astype(np.float32)
    stored = quantize_affine(values, nbits, counts, symmetric=symmetric, signed=signed, half=half)
    low, high = code_range(nbits, symmetric=symmetric, signed=signed)
    assert stored.codes.shape == shape and stored.scale.shape == counts
    assert low <= stored.codes.min() and stored.codes.max() <= high
    decoded = decode_stored(stored, "test")
    steps = [np.repeat(stored.scale, 1, 0)]
    for axis, (_, size) in enumerate(blocks):
        steps[0] = np.repeat(steps[0], size, axis)
    # Half a step, and another half where the zero point was rounded; scales of float16 have 11 bits.
    worst = np.abs(decoded - values) / steps[0]
    assert worst.max() <= 1.01 + (0.2 if half else 0) * (1 << (nbits - 4)), float(worst.max())
    if symmetric:
        assert not decoded[values == 0].any()


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("symmetric", [False, True])
def test_zeros_are_kept(symmetric: bool, signed: bool) -> None:
    stored = quantize_affine(np.zeros((3, 4), dtype=np.float32), 4, (3, 1), symmetric=symmetric, signed=signed)
    assert not decode_stored(stored, "test").any()


@settings(deadline=None, max_examples=50)
@given(
    st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(1, 3)),
    st.integers(1, 4), st.integers(1, 4), st.integers(0, 1), st.integers(0, 999), st.booleans(),
)  # fmt: skip
def test_grouped_tables_put_every_value_where_it_was(
    groups: tuple[int, int, int], width: int, depth: int, axis: int, seed: int, scaled: bool
) -> None:
    count, length, vectors = groups
    size = vectors * length
    shape = [width, width, depth]
    shape[axis] = count * size
    # Few enough different values that tables of 8 bits hold them: what is read back must be what was there.
    values = np.random.default_rng(seed).integers(-3, 4, shape).astype(np.float32)
    form = Form("table", 8, group_size=size, cluster_dim=length, channel_scale=scaled)
    make: Any = (lambda v: kmeans_vectors(v, 256)) if length > 1 else (lambda v: kmeans_1d(v, 256))
    if distinct_entries(values, form, axis) > 256:
        return
    stored = grouped_tables(values, form, axis, axis, make, half=False)
    assert stored.tables.shape[axis] == count
    np.testing.assert_allclose(decode_stored(stored, "test"), values, rtol=1e-6, atol=1e-6 if scaled else 0)


def test_vectors_of_few_kinds_are_kept_exactly() -> None:
    kinds = np.array(list(itertools.product([-1.0, 0.5], repeat=3)), dtype=np.float32)
    vectors = kinds[np.random.default_rng(0).integers(0, 8, 500)]
    table, codes = kmeans_vectors(vectors, 8)
    np.testing.assert_array_equal(table[codes], vectors)


def test_vector_tables_are_deterministic_and_near_the_best_of_many_starts() -> None:
    from sklearn.cluster import KMeans

    vectors = np.random.default_rng(1).normal(size=(1500, 3)).astype(np.float32)
    table, codes = kmeans_vectors(vectors, 32)
    again, _ = kmeans_vectors(vectors, 32)
    np.testing.assert_array_equal(table, again)
    error = float(((vectors - table[codes]) ** 2).sum())
    best = min(KMeans(32, n_init=1, random_state=seed).fit(vectors).inertia_ for seed in range(10))
    assert error <= 1.02 * best, f"{error / best:.4f} of the best of ten runs of scikit-learn"
    nearest = ((vectors[:, None] - table[None]) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == codes).mean() > 0.999  # float32 decides ties
