"""Codes found from float32 values must decode to just those values, wherever the scales went with the axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mltoolkit.graph.quantization_codes import HalfWeight, LinearWeight, SparseWeight, TableWeight, find_codes
from mltoolkit.graph.quantization_record import (
    AffineRecord,
    Float16Record,
    JoinedRecord,
    LinearRecord,
    SparseRecord,
    TableRecord,
    joined,
)


def spread(parameter: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """One value a block as one a weight, by NumPy's repeat alone."""
    for axis, size in enumerate(shape):
        parameter = np.repeat(parameter, size // parameter.shape[axis], axis)
    return parameter


def decoded(weight: Any) -> NDArray[np.float32]:
    """What a found weight stands for."""
    if isinstance(weight, HalfWeight):
        return weight.values.astype(np.float32)
    shape = weight.codes.shape
    if isinstance(weight, TableWeight):
        tables = np.stack([spread(weight.tables[..., i], shape) for i in range(weight.tables.shape[-1])], -1)
        return np.take_along_axis(tables, weight.codes[..., None].astype(np.intp), -1)[..., 0]
    scale, codes = spread(weight.scale, shape), weight.codes.astype(np.float32)
    if weight.bias is None:
        return (codes - spread(weight.zero_point, shape)) * scale
    return codes * scale + spread(weight.bias, shape)


# What converters do to a weight of shape (8, 4, 3, 3).
ARRANGEMENTS = {
    "as it is": lambda array: array,
    "matrix": lambda array: array.reshape(8, 36),
    "transposed matrix": lambda array: array.reshape(8, 36).T,
    "axes reversed": lambda array: array.transpose(3, 2, 1, 0),
    "axis in front": lambda array: array[None],
    "a part": lambda array: array[:, 1:3],
}


@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
@pytest.mark.parametrize("per_channel", [False, True])
@given(bits=st.integers(1, 8), seed=st.integers(0, 1 << 30))
def test_linear(arrangement: str, per_channel: bool, bits: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 1 << bits, (8, 4, 3, 3)).astype(np.float32)
    size = 8 if per_channel else 1
    scale = (10.0 ** rng.uniform(-6, 1, size)).astype(np.float32)
    bias = (scale * rng.uniform(-300, 50, size)).astype(np.float32)
    values = codes * scale.reshape(-1, 1, 1, 1) + bias.reshape(-1, 1, 1, 1)
    values = np.ascontiguousarray(ARRANGEMENTS[arrangement](values))
    found = find_codes(values, LinearRecord(bits, scale, bias))
    assert isinstance(found, LinearWeight) and found.bias is not None
    assert found.codes.dtype == np.uint8 and found.codes.max() < 1 << bits
    np.testing.assert_array_equal(decoded(found), values)


@pytest.mark.parametrize("arrangement", ["as it is", "transposed matrix", "axes reversed"])
@given(bits=st.sampled_from([4, 8]), signed=st.booleans(), seed=st.integers(0, 1 << 30))
def test_affine(arrangement: str, bits: int, signed: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    low = -(1 << (bits - 1)) if signed else 0
    codes = rng.integers(low, low + (1 << bits), (8, 4, 3, 3)).astype(np.float32)
    scale = rng.uniform(1e-3, 1, (8, 1, 1, 1)).astype(np.float32)
    zero_point = rng.integers(low, low + (1 << bits), (8, 1, 1, 1)).astype(np.float32)
    values = np.ascontiguousarray(ARRANGEMENTS[arrangement]((codes - zero_point) * scale))
    found = find_codes(values, AffineRecord(bits, signed, scale, zero_point))
    assert isinstance(found, LinearWeight) and found.zero_point is not None
    np.testing.assert_array_equal(decoded(found), values)


@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
@given(bits=st.integers(1, 8), seed=st.integers(0, 1 << 30))
def test_table(arrangement: str, bits: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    # Rounding makes equal entries, which tables of real files have too.
    table = rng.normal(size=1 << bits).round(2).astype(np.float32)
    values = ARRANGEMENTS[arrangement](table[rng.integers(0, 1 << bits, (8, 4, 3, 3))])
    values = np.ascontiguousarray(values)
    found = find_codes(values, TableRecord(bits, table))
    assert isinstance(found, TableWeight)
    np.testing.assert_array_equal(decoded(found), values)


def test_blocks_follow_a_transposition() -> None:
    rng = np.random.default_rng(0)
    scale, offset = rng.uniform(0.1, 1, (4, 3)).astype(np.float32), rng.integers(0, 16, (4, 3)).astype(np.float32)
    codes = rng.integers(0, 16, (8, 12)).astype(np.float32)
    values = (codes - spread(offset, (8, 12))) * spread(scale, (8, 12))
    found = find_codes(np.ascontiguousarray(values.T), AffineRecord(4, False, scale, offset))
    assert isinstance(found, LinearWeight) and found.scale.shape == (3, 4)
    np.testing.assert_array_equal(decoded(found), values.T)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (2, 0, 3, 1)], ids=["in order", "in another order"])
@pytest.mark.parametrize("kind", ["table", "linear", "linear per channel"])
def test_stacked_gates(order: tuple[int, ...], kind: str) -> None:
    rng = np.random.default_rng(1)
    records: list[Any] = []
    parts = []
    for bits in (3, 4, 4, 4):
        codes = rng.integers(0, 1 << bits, (5, 7))
        if kind == "table":
            records.append(TableRecord(bits, rng.normal(size=1 << bits).astype(np.float32)))
            parts.append(records[-1].tables[codes])
        else:
            size = 5 if kind.endswith("channel") else 1
            scale, bias = rng.uniform(0.1, 1, size).astype(np.float32), rng.normal(size=size).astype(np.float32)
            records.append(LinearRecord(bits, scale, bias))
            parts.append(codes.astype(np.float32) * scale[:, None] + bias[:, None])
    record = joined(records)
    assert isinstance(record, JoinedRecord) and record.bits == 4
    stacked = np.concatenate([parts[index] for index in order])
    for values in (stacked, stacked[None], np.ascontiguousarray(stacked.T), parts[2]):
        found = find_codes(values, record)
        assert found is not None
        np.testing.assert_array_equal(decoded(found), values)


def test_float16_and_sparse() -> None:
    values = np.random.default_rng(2).normal(size=(6, 5)).astype(np.float16).astype(np.float32)
    found = find_codes(values, Float16Record())
    assert isinstance(found, HalfWeight)
    np.testing.assert_array_equal(decoded(found), values)
    assert find_codes(values + np.float32(1e-4), Float16Record()) is None
    values[::2] = 0
    sparse = find_codes(values, SparseRecord(half=True))
    assert isinstance(sparse, SparseWeight) and sparse.half and int(sparse.mask.sum()) == 15


@pytest.mark.parametrize(
    "record",
    [
        LinearRecord(8, np.full(1, 0.1, np.float32), np.full(1, -3, np.float32)),
        TableRecord(4, np.arange(16, dtype=np.float32)),
        AffineRecord(8, True, np.ones((5, 1), np.float32), np.zeros((5, 1), np.float32)),
    ],
    ids=lambda record: type(record).__name__,
)
def test_changed_values_have_no_codes(record: Any) -> None:
    values = np.random.default_rng(3).normal(size=(4, 5)).astype(np.float32)
    assert find_codes(values, record) is None
    # A single changed value, which no sample needs to see.
    large = np.zeros((300, 200), np.float32)
    if isinstance(record, TableRecord):
        large[123, 77] = 0.5
        assert find_codes(large, record) is None


def test_nan_has_no_codes() -> None:
    values = np.full((3, 3), np.nan, np.float32)
    for record in (Float16Record(), TableRecord(1, np.array([0, np.nan], np.float32))):
        assert find_codes(values, record) is None
