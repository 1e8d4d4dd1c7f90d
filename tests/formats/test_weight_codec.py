"""One weight in every encoding: round trips, and decoding against coremltools."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mltoolkit.errors import InvalidModelError
from mltoolkit.formats.protobuf import proto_module
from mltoolkit.formats.weights import (
    Encoding,
    LinearCodes,
    TableCodes,
    bits_per_weight,
    check_size,
    encoding_of,
    read_codes,
    read_weight,
    stored_bytes,
    write_codes,
    write_float16,
    write_float32,
)

WHERE = "layer 'conv', weights"


def new_params() -> Any:
    return proto_module("NeuralNetwork_pb2").WeightParams()


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    from coremltools.models.neural_network import quantization_utils

    return quantization_utils


def random_linear(seed: int, nbits: int, shape: tuple[int, ...], channels: int) -> LinearCodes:
    rng = np.random.default_rng(seed)
    return LinearCodes(
        rng.integers(0, 1 << nbits, math.prod(shape), dtype=np.uint8),
        nbits,
        rng.uniform(1e-6, 2, channels).astype(np.float32),
        rng.normal(0, 3, channels).astype(np.float32),
    )


shapes = st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 3), st.integers(1, 3))


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 8), shapes, st.sampled_from(["one", "axis 0", "axis 1"]))
def test_linear_decoding_equals_coremltools(
    reference: ModuleType, seed: int, nbits: int, shape: tuple[int, ...], channels: str
) -> None:
    axis = 1 if channels == "axis 1" else 0
    stored = random_linear(seed, nbits, shape, 1 if channels == "one" else shape[axis])
    params = new_params()
    write_codes(params, stored)
    found = read_weight(params, shape, WHERE, channel_axis=axis)
    if channels == "one":
        # coremltools takes one scale for a vector only.
        reference._dequantize_wp(params, (math.prod(shape),))
    else:
        reference._dequantize_wp(params, shape, axis)
    expected = np.array(params.floatValue).reshape(shape)
    assert found.shape == shape and found.dtype == np.float32
    # Ours rounds the product and the sum to float32, theirs only the sum: half an ulp of either.
    scale = float(stored.scale.max()) * 255 + float(np.abs(stored.bias).max())
    error = float(np.abs(found - expected).max())
    assert error <= 2 * np.finfo(np.float32).eps * scale, f"differs by {error} of {scale}"


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 8), shapes)
def test_table_decoding_equals_coremltools(
    reference: ModuleType, seed: int, nbits: int, shape: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 1 << nbits, math.prod(shape), dtype=np.uint8)
    params = new_params()
    write_codes(params, TableCodes(codes, nbits, rng.standard_normal(1 << nbits).astype(np.float32)))
    found = read_weight(params, shape, WHERE)
    reference._dequantize_wp(params, shape)
    assert np.array_equal(found.reshape(-1), np.array(params.floatValue, dtype=np.float32))


@pytest.mark.parametrize("axis", [0, 1])
def test_channels_lie_along_their_axis(axis: int) -> None:
    shape = (2, 3, 1, 2)
    scale = np.array([1, 10, 100][: shape[axis]], np.float32)
    params = new_params()
    write_codes(params, LinearCodes(np.ones(12, np.uint8), 4, scale, np.zeros_like(scale)))
    found = read_weight(params, shape, WHERE, channel_axis=axis)
    for channel, value in enumerate(scale):
        assert np.all(np.take(found, channel, axis) == value)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 8), st.integers(1, 60), st.booleans())
def test_codes_come_back_as_they_were_written(seed: int, nbits: int, count: int, linear: bool) -> None:
    stored: LinearCodes | TableCodes = random_linear(seed, nbits, (count,), count)
    if not linear:
        stored = TableCodes(stored.codes, nbits, np.linspace(-1, 1, 1 << nbits, dtype=np.float32))
    params = new_params()
    write_float32(params, np.ones(7, np.float32))  # must not survive
    write_codes(params, stored)
    found = read_codes(params, count, WHERE)
    assert type(found) is type(stored) and found.nbits == nbits
    assert np.array_equal(found.codes, stored.codes)
    if isinstance(found, LinearCodes) and isinstance(stored, LinearCodes):
        assert np.array_equal(found.scale, stored.scale) and np.array_equal(found.bias, stored.bias)
    elif isinstance(found, TableCodes) and isinstance(stored, TableCodes):
        assert np.array_equal(found.table, stored.table)
    assert bits_per_weight(params) == nbits
    assert encoding_of(params) is (Encoding.LINEAR if linear else Encoding.LOOKUP_TABLE)


def test_float32_round_trip_is_exact() -> None:
    values = np.array([[0.1, -np.inf], [np.nan, 1e-45]], dtype=np.float32)
    params = new_params()
    write_float32(params, values)
    assert np.array_equal(read_weight(params, (2, 2), WHERE), values, equal_nan=True)
    assert (encoding_of(params), bits_per_weight(params), stored_bytes(params)) == (Encoding.FLOAT32, 32, 16)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(width=16, allow_nan=False), min_size=1, max_size=100))
def test_float16_round_trip_is_exact_for_halves(values: list[float]) -> None:
    params = new_params()
    write_float16(params, np.array(values, np.float32))
    found = read_weight(params, (len(values),), WHERE)
    assert found.dtype == np.float32 and np.array_equal(found, np.float32(values))
    assert (encoding_of(params), bits_per_weight(params)) == (Encoding.FLOAT16, 16)
    assert stored_bytes(params) == 2 * len(values)


def test_float16_is_little_endian_as_core_ml_stores_it() -> None:
    params = new_params()
    write_float16(params, np.array([1.0], np.float32))
    assert params.float16Value == b"\x00\x3c"


def test_bytes_count_scales_biases_and_tables() -> None:
    params = new_params()
    write_codes(params, random_linear(0, 4, (3, 5), 3))
    assert stored_bytes(params) == 8 + 4 * (3 + 3)
    write_codes(params, TableCodes(np.zeros(15, np.uint8), 4, np.zeros(16, np.float32)))
    assert stored_bytes(params) == 8 + 4 * 16


def test_a_linear_weight_without_bias_has_none_added() -> None:
    params = new_params()
    write_codes(params, LinearCodes(np.arange(4, dtype=np.uint8), 2, np.float32([0.5]), np.float32([0])))
    params.quantization.linearQuantization.ClearField("bias")
    assert read_weight(params, (4,), WHERE).tolist() == [0, 0.5, 1, 1.5]


def linear_params(**changes: Any) -> Any:
    params = new_params()
    write_codes(params, random_linear(1, 4, (4, 3), 4))
    for name, value in changes.items():
        if name == "rawValue":
            params.rawValue = value
        elif name == "numberOfBits":
            params.quantization.numberOfBits = value
        else:
            del getattr(params.quantization.linearQuantization, name)[:value]
    return params


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (linear_params(rawValue=b"12345"), "holds 5 bytes where 12 codes of 4 bits take 6"),
        (linear_params(rawValue=b"1234567"), "holds 7 bytes where 12 codes of 4 bits take 6"),
        (linear_params(numberOfBits=0), "0 bits"),
        (linear_params(numberOfBits=9), "9 bits"),
        (linear_params(numberOfBits=2**40), f"{2**40} bits"),
        (linear_params(scale=1), "3 quantization scales where it needs 1 or 4"),
        (linear_params(bias=2), "2 quantization biases where it needs 1 or 4"),
        (linear_params(scale=4), "0 quantization scales"),
    ],
)
def test_a_damaged_quantized_weight_says_what_and_where(params: Any, message: str) -> None:
    with pytest.raises(InvalidModelError, match=message) as caught:
        read_weight(params, (4, 3), WHERE)
    assert caught.value.where == WHERE


def test_a_table_of_the_wrong_length_is_refused() -> None:
    params = new_params()
    write_codes(params, TableCodes(np.zeros(8, np.uint8), 2, np.zeros(4, np.float32)))
    params.quantization.lookupTableQuantization.floatValue.append(1)
    with pytest.raises(InvalidModelError, match="5 entries where 2 bits need 4"):
        read_weight(params, (8,), WHERE)


def test_the_wrong_number_of_floats_is_refused() -> None:
    params = new_params()
    write_float32(params, np.zeros(5, np.float32))
    with pytest.raises(InvalidModelError, match="holds 5 values where the layer needs 6"):
        read_weight(params, (2, 3), WHERE)
    params.Clear()
    params.float16Value = b"123"
    with pytest.raises(InvalidModelError, match=r"holds 1\.5 values where the layer needs 1"):
        check_size(params, 1, WHERE)
    with pytest.raises(InvalidModelError, match="holds 0 values where the layer needs 1000000000000"):
        read_weight(new_params(), (1_000_000, 1_000_000), WHERE)


def test_raw_bytes_without_quantization_are_refused() -> None:
    params = new_params()
    params.rawValue = b"1234"
    assert encoding_of(params) is Encoding.RAW and bits_per_weight(params) == 8
    with pytest.raises(InvalidModelError, match="4 raw bytes without quantization"):
        read_weight(params, (4,), WHERE)


def test_an_empty_weight_of_no_values_is_empty() -> None:
    assert read_weight(new_params(), (0, 3), WHERE).shape == (0, 3)
    assert (encoding_of(new_params()), bits_per_weight(new_params())) == (Encoding.EMPTY, 0)


def test_codes_of_a_float_weight_are_refused() -> None:
    params = new_params()
    write_float32(params, np.zeros(2, np.float32))
    with pytest.raises(InvalidModelError, match="float32, not as codes"):
        read_codes(params, 2, WHERE)
