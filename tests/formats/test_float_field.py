"""``repeated float`` fields read and written as arrays equal what protobuf's own containers hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mltoolkit.formats.float_field import read_floats, write_floats
from mltoolkit.formats.protobuf import new_model, proto_module


def new_params():
    return proto_module("NeuralNetwork_pb2").WeightParams()


# Every bit pattern is a float32, NaN payloads, infinities and subnormal numbers included.
float_bits = hnp.arrays(np.uint32, st.integers(0, 200), elements=st.integers(0, 2**32 - 1))


@settings(max_examples=200, deadline=None)
@given(float_bits)
def test_writing_and_reading_keep_every_number(bits: np.ndarray) -> None:
    values = bits.view(np.float32)
    params = new_params()
    write_floats(params, "floatValue", values)
    assert len(params.floatValue) == values.size
    found = read_floats(params, "floatValue")
    assert found.dtype == np.float32
    # Short fields pass through Python floats, which may make a signalling NaN quiet.
    assert np.array_equal(found, values, equal_nan=True)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(width=32), max_size=300))
def test_both_ways_agree_with_protobuf(values: list[float]) -> None:
    theirs, ours = new_params(), new_params()
    theirs.floatValue.extend(values)
    write_floats(ours, "floatValue", np.array(values, dtype=np.float32))
    assert ours.SerializeToString() == theirs.SerializeToString()
    assert np.array_equal(read_floats(theirs, "floatValue"), np.float32(values), equal_nan=True)


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 31 * 4, 32 * 4, 1 << 12, 1 << 19])
def test_lengths_where_the_header_grows(count: int) -> None:
    values = np.random.default_rng(count).standard_normal(count).astype(np.float32)
    params = new_params()
    write_floats(params, "floatValue", values)
    assert np.array_equal(read_floats(params, "floatValue"), values)


@pytest.mark.parametrize("count", [3, 1000])
def test_other_fields_of_the_message_are_left_out_and_left_alone(count: int) -> None:
    values = np.arange(count, dtype=np.float32)
    params = new_params()
    params.rawValue = b"\x01\x02"
    params.quantization.numberOfBits = 3
    write_floats(params, "floatValue", values)
    assert np.array_equal(read_floats(params, "floatValue"), values)
    assert params.rawValue == b"\x01\x02"
    assert params.quantization.numberOfBits == 3


@pytest.mark.parametrize("count", [3, 1000])
def test_writing_replaces(count: int) -> None:
    params = new_params()
    write_floats(params, "floatValue", np.ones(2 * count, np.float32))
    write_floats(params, "floatValue", np.zeros(count, np.float32))
    assert np.array_equal(read_floats(params, "floatValue"), np.zeros(count))
    write_floats(params, "floatValue", np.zeros(0, np.float32))
    assert len(params.floatValue) == 0


def test_field_numbers_that_take_two_bytes() -> None:
    network = new_model().neuralNetwork
    mean = network.preprocessing.add().meanImage
    values = np.linspace(0, 1, 500, dtype=np.float32)
    write_floats(mean, "meanImage", values)
    assert np.array_equal(read_floats(mean, "meanImage"), values)


def test_any_floating_array_is_taken_in_row_major_order() -> None:
    values = np.arange(200, dtype=np.float64).reshape(10, 20).T
    params = new_params()
    write_floats(params, "floatValue", values)
    assert np.array_equal(read_floats(params, "floatValue"), np.float32(values).reshape(-1))


def test_unpacked_fields_of_old_writers_are_read() -> None:
    # proto2 writers repeat the tag before every value; the parser takes both.
    values = np.arange(100, dtype="<f4")
    wire = b"".join(b"\x0d" + value.tobytes() for value in values)
    params = new_params()
    params.ParseFromString(wire)
    assert np.array_equal(read_floats(params, "floatValue"), values)
